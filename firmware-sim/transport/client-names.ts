/** The clients that fill the ports: Microsoft's, and our own over the `mqtt` package. */
export const clientNames = ['sdk', 'wire'] as const;
export type ClientName = (typeof clientNames)[number];
