import type { Reply } from './driver.js';

// Clients differ in what they make of a reply (numbers as text, text as buffers): read what is meant.

export function text(reply: Reply | undefined): string {
  return reply === null || reply === undefined ? '' : String(reply);
}

export function number(reply: Reply | undefined): number {
  return Number(text(reply));
}

export function list(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}
