/**
 * Records of one store, by its name and address: the same in tests and in the processes that they start.
 *
 * @param load imports a backend by its folder's name
 */
export async function openRecords(load, store, address) {
  switch (store) {
    case 'sqlite': {
      const { sqliteRecords } = await load('sqlite');
      return sqliteRecords(address);
    }
    case 'redis': {
      const { Redis } = await import('ioredis');
      const { redisRecords } = await load('redis');
      const client = new Redis(address, { maxRetriesPerRequest: null });
      client.on('error', () => {});
      return closing(redisRecords(client), () => client.disconnect());
    }
    case 'postgres': {
      const { default: pg } = await import('pg');
      const { postgresRecords } = await load('postgres');
      const pool = new pg.Pool({ connectionString: address, max: 4 });
      pool.on('error', () => {});
      return closing(postgresRecords(pool), () => Promise.race([pool.end(), new Promise((resolve) => setTimeout(resolve, 500))]));
    }
    case 'etcd': {
      const grpc = await import('@grpc/grpc-js');
      const { etcdRecords } = await load('etcd');
      return etcdRecords({ grpc, endpoints: address.split(',') });
    }
    case 'dynamodb': {
      const { DynamoDB } = await import('@aws-sdk/client-dynamodb');
      const { dynamodbRecords } = await load('dynamodb');
      const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
      const client = new DynamoDB({ endpoint: address, region: 'eu-central-1', credentials });
      return closing(dynamodbRecords(client, { commandTimeoutMs: 10_000 }), () => client.destroy());
    }
    default:
      throw new Error(`no store is called ${store}`);
  }
}

function closing(records, end) {
  return {
    ...records,
    async close() {
      await records.close();
      await end();
    },
  };
}
