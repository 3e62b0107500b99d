/** One row: in a state, at an event, which state comes next and which effect is carried out. */
export type Row<State extends string, Effect extends string> = readonly [next: State, effect: Effect | 'none'];

/** A whole machine as data: a row for every state and every event, or it does not compile. */
export type Table<State extends string, Event extends string, Effect extends string> = {
  readonly [S in State]: { readonly [E in Event]: Row<State, Effect> };
};
