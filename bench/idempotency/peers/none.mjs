import express from 'express';
import { charge, serveAndAsk } from '../http.mjs';

export function open() {
  const app = express();
  app.post('/charges', express.json(), (request, response) => {
    response.status(201).json(charge(request.body));
  });
  return serveAndAsk(app, async () => {});
}
