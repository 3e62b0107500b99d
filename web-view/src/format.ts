/** A count, with separators of thousands. */
export function number(count: number): string {
  return count.toLocaleString('en');
}

/** One or many of a thing. */
export function several(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A time of day to the second, with the date when it was not today. */
export function clockTime(at: number | string): string {
  const date = new Date(at);
  return date.toDateString() === new Date().toDateString() ? date.toLocaleTimeString('en-GB') : date.toLocaleString('en-GB');
}

/** A date and a time of day. */
export function dateTime(at: string | null | undefined): string {
  return at === null || at === undefined ? '' : new Date(at).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
}

/** A hub's name without the domain that all of Azure's have. */
export function shortHost(host: string): string {
  return host.replace(/\.azure-devices(-provisioning)?\.net$/, '');
}

/** A word of the code for people: `initialAssignment` becomes `initial assignment`. */
export function words(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
