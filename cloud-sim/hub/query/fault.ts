/** A query that cannot be read or is not served: a caller's mistake, told in words. */
export class QueryFault extends Error {
  /** @param at place in the query, characters from its beginning */
  constructor(message: string, at?: number) {
    super(at === undefined ? message : `${message}, at character ${at + 1}`);
    this.name = 'QueryFault';
  }
}
