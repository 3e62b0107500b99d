import pg from 'pg';
import type { Test } from 'tap';
import type { LedgerPlace } from '../manufacturing/ledger/bench.js';

/** The address of the server that scripts/services.sh started; without it, service tests fail and do not skip. */
export function serverAddress(): string {
  const address = process.env.ZT_TEST_POSTGRES;
  if (address === undefined) throw new Error('ZT_TEST_POSTGRES is not set: run npm run test:services');
  return address;
}

let count = 0;

/** A database of its own for one test. */
export async function postgresPlace(t: Test): Promise<LedgerPlace> {
  const name = `zt_${process.pid}_${++count}`;
  await sql(serverAddress(), `create database ${name}`);
  const address = new URL(serverAddress());
  address.pathname = name;
  t.teardown(() => sql(serverAddress(), `drop database ${name} with (force)`));
  return { address: address.href, sql: (text) => sql(address.href, text) };
}

async function sql(address: string, text: string): Promise<void> {
  const client = new pg.Client(address);
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
