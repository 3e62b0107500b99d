import { writeFileSync } from 'node:fs';
import { badDaysDocument } from './bad-days.js';
import { bootTablesDocument } from './boot-tables.js';
import { differencesDocument } from './differences.js';
import { evidenceDocument } from './evidence.js';
import { operatingDocument } from './operating.js';
import { reasonsDocument } from './reasons.js';

const documents = {
  'guides/bad-days.md': badDaysDocument(),
  'guides/operating.md': operatingDocument(),
  'boot-tables.md': bootTablesDocument(),
  'differences-from-azure.md': differencesDocument(),
  'evidence.md': evidenceDocument(),
  'reasons.md': reasonsDocument(),
};
for (const [name, text] of Object.entries(documents)) writeFileSync(new URL(`../../../docs/${name}`, import.meta.url), text);
