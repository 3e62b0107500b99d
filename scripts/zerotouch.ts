import { zerotouch } from './command.js';

await zerotouch().main();
