declare module 'virtual:land' {
  /** The continents as the `d` of an SVG path, in the units of the projection. */
  export const outline: string;
}
