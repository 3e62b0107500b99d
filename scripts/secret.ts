import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { Fault } from '@zerotouch/foundation/fault';

/** Where {@link readSecret} looks; those of this process unless given. */
export interface SecretPlaces {
  env: Readonly<Record<string, string | undefined>>;
  stdin: NodeJS.ReadableStream;
}

/**
 * A secret as options take it: `env:NAME` from the environment, `@FILE` from a file, `-` from stdin. It is never taken as it is, because a
 * command line can be read by everybody on the machine. White space around it is left out.
 * @param option how the option is called: `--to`
 * @throws Fault SECRET_FORM, SECRET_MISSING; what was given instead of a secret is not in it
 */
export async function readSecret(reference: string, option: string, places: SecretPlaces = process): Promise<string> {
  const secret = (await lookUp(reference, option, places)).trim();
  if (secret !== '') return secret;
  throw new Fault('SECRET_MISSING', 'there is nothing in it', { where: `${option} ${reference}`, expected: 'a secret' });
}

async function lookUp(reference: string, option: string, { env, stdin }: SecretPlaces): Promise<string> {
  if (reference === '-') return text(stdin);
  const name = /^env:(.+)$/.exec(reference)?.[1];
  if (name !== undefined) {
    const value = env[name];
    if (value !== undefined) return value;
    throw new Fault('SECRET_MISSING', 'the variable is not set', { where: `${option} ${reference}`, expected: `the secret in ${name}` });
  }
  const path = /^@(.+)$/.exec(reference)?.[1];
  if (path === undefined) {
    throw new Fault('SECRET_FORM', 'a secret is not taken from the command line', {
      where: option,
      expected: 'env:NAME, @FILE or - (stdin)',
      remedy: `set it in the environment and say ${option} env:NAME`,
    });
  }
  return readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Fault('SECRET_MISSING', `the file cannot be read (${cause.code})`, {
      where: `${option} ${reference}`,
      expected: 'a secret',
      cause,
    });
  });
}
