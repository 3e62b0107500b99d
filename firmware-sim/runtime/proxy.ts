import { BootFault } from './faults.js';

/**
 * The proxy that `--proxy` names: a URL, or `env:NAME` for one that holds a password, which no command line may show.
 * @throws BootFault BAD_OPTION; the URL is not in it
 */
export function parseProxy(text: string, env: Readonly<Record<string, string | undefined>> = process.env): string {
  const name = /^env:(.+)$/.exec(text)?.[1];
  const url = name === undefined ? text : env[name];
  if (url === undefined) throw bad(`the variable ${name} is not set`);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !['http:', 'https:'].includes(parsed.protocol)) throw bad('--proxy is no URL of an HTTP proxy');
  if (name === undefined && parsed.password !== '') throw bad('a password is not taken from the command line');
  return url;
}

function bad(summary: string): BootFault {
  return new BootFault('BAD_OPTION', summary, {
    where: '--proxy',
    expected: 'http://host:port, or env:NAME with http://user:password@host:port in it',
  });
}
