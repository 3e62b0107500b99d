/** Our own client as a whole: what is loaded at once by a device that speaks by it. */
export { createWireDps } from './wire-dps.js';
export { createWireHub } from './wire-hub.js';
