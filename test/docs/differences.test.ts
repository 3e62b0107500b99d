import { readFileSync } from 'node:fs';
import { armChoices } from '@zerotouch/cloud-sim/api/arm/choices';
import { serviceChoices } from '@zerotouch/cloud-sim/api/service/choices';
import { dpsChoices, hubChoices } from '@zerotouch/cloud-sim/choices';
import { differencesDocument } from '@zerotouch/scripts/docs/differences';
import t from 'tap';

t.test('docs/differences-from-azure.md has every choice of the code; `npm run docs` writes it anew', async (t) => {
  const document = readFileSync('docs/differences-from-azure.md', 'utf8');
  t.equal(document, differencesDocument());
  for (const name of [...Object.keys(armChoices), ...Object.keys(dpsChoices), ...Object.keys(hubChoices), ...Object.keys(serviceChoices)])
    t.match(document, `| \`${name}\` |`);
});
