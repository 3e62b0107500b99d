const KEY = 'zerotouch.token';

/**
 * The token that this page may use: behind the `#` of the address that the command printed, then in the memory of this tab. It leaves the address at
 * once, so that nobody reads it over a shoulder or out of the history.
 */
export function readToken(): string {
  const given = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
  if (given === undefined) return sessionStorage.getItem(KEY) ?? '';
  sessionStorage.setItem(KEY, given);
  history.replaceState(null, '', '#/');
  return given;
}
