import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useRef, useState } from 'preact/hooks';
import { CallError, type Client } from './client.js';
import type { Live } from './live.js';

/** What every part of the page may use. */
export interface Ground {
  client: Client;
  live: Live;
}

export const GroundContext = createContext<Ground | undefined>(undefined);

export function useGround(): Ground {
  const ground = useContext(GroundContext);
  if (ground === undefined) throw new Error('there is no ground under this part of the page');
  return ground;
}

/** Something that was asked for. */
export interface Fetched<T> {
  data: T | undefined;
  error: string | undefined;
  refresh(): void;
}

/** Milliseconds between two looks at what may have changed. */
const LOOK_MS = 1000;

interface Answer<T> {
  key: string;
  path: string;
  data?: T;
  error?: string;
}

/**
 * Asks the API, and again when the cloud has told something new, but not more often than people look. While another page of the same thing is under
 * way, the one before stays: what has the focus does not vanish under it.
 */
export function useFetched<T>(path: string, query: Record<string, string | number | undefined> = {}): Fetched<T> {
  const { client, live } = useGround();
  const [answer, setAnswer] = useState<Answer<T>>({ key: '', path: '' });
  const [wish, setWish] = useState(0);
  const key = JSON.stringify([path, query]);
  const latest = useRef(key);
  latest.current = key;
  const asked = useRef({ key: '', at: 0 });
  // The key stands for path and query; another version or wish asks again.
  useEffect(() => {
    const delay = asked.current.key === key ? Math.max(0, asked.current.at + LOOK_MS - Date.now()) : 0;
    const timer = setTimeout(async () => {
      asked.current = { key, at: Date.now() };
      const got = await client.get<T>(path, query).then(
        (data): Answer<T> => ({ key, path, data }),
        (error: unknown): Answer<T> => ({ key, path, error: error instanceof CallError ? error.message : String(error) }),
      );
      // Something else is wanted by now.
      if (latest.current === key) setAnswer(got);
    }, delay);
    return () => clearTimeout(timer);
  }, [client, key, live.version, wish]);
  const refresh = useCallback(() => {
    asked.current.at = 0;
    setWish((count) => count + 1);
  }, []);
  const current = answer.path === path ? answer : undefined;
  return { data: current?.data, error: current?.error, refresh };
}
