import { writeFileSync } from 'node:fs';
import { bootTablesDocument } from './boot-tables.js';

writeFileSync(new URL('../../../docs/boot-tables.md', import.meta.url), bootTablesDocument());
