import { dpsNouns } from '../operate/dps-nouns.js';
import { hubNouns } from '../operate/hub-nouns.js';
import type { NounRow, OptionRow } from '../operate/nouns.js';

/** docs/guides/operating.md: what operators do at the local cloud, from the tables that the command is made of. */
export function operatingDocument(): string {
  return `# Operating DPS and hubs without \`az\`

\`zerotouch dps ...\` and \`zerotouch hub ...\` are \`az iot dps ...\` and \`az iot hub ...\` for those who do not have \`az\`: the same nouns, verbs, options and output, over the
same resource manager and service APIs, at the local cloud of this folder (or \`--cloud FILE\`). Where \`az\` is at hand it can be [pointed here](az.md), and sees the same.

\`\`\`console
$ npx zerotouch cloud                                   # in one terminal
$ npx zerotouch dps linked-hub update --linked-hub hub-weu --allocation-weight 0      # in another, same folder
$ npx zerotouch dps enrollment-group create --enrollment-id line-7 --initial-twin-tags '{"line":7}'
$ npx zerotouch dps enrollment-group registration list --enrollment-id line-7
$ npx zerotouch hub query -n hub-eus -q "SELECT deviceId FROM devices WHERE tags.line = 7" --json | jq -r '.[].deviceId'
$ npx zerotouch hub invoke-device-method -n hub-eus -d thermo-000007 --method-name reprovision
\`\`\`

- What is not said (\`--dps-name\`, \`--hub-name\`, \`--resource-group\`) is the only one there is; a cloud has three hubs unless it is told otherwise, so the hub is said. Hubs and
  DPS of every subscription are found.
- The result is what \`az\` prints: JSON, indented for people, in one line with \`--json\`; nothing where \`az\` prints nothing. Keys are masked where Azure masks them, and shown
  where it shows them (\`policy list\`, \`connection-string show\`, \`device-identity show\`, \`--show-keys\`).
- Secrets (\`--login\`, \`--connection-string\`, \`--primary-key\`, \`--secondary-key\`, \`--symmetric-key\`, \`--webhook-url\`) are given as \`env:NAME\`, \`@FILE\` or \`-\`, never as they are: a
  command line can be read by everybody on the machine. This, and \`-j\` (\`--twin\`) for \`--json\` of \`device-twin replace\`, are the differences in options.
- Options of what the [local cloud has not](../differences-from-azure.md) (routing, file upload, managed identities) are not there, nor \`--no-wait\` (all is done when the answer
  comes), \`--add\` and \`--remove\` (\`--set\` is).
- Exit codes are those of every verb: 2 when something is refused or not there, 1 when a device did not answer a method, 3 when no local cloud answers.

Every verb tells its options with \`--help\`; in this table, those in brackets may be left out, and \`-g\`, \`--login\`, \`--etag\` and \`--cloud\` go without saying.
The table is made from the command's own by \`npm run docs\`.

| noun | verbs |
| --- | --- |
${[...dpsNouns, ...hubNouns].map(line).join('\n')}
| \`hub monitor\` | as \`monitor-events\` of \`az\`: prints what devices send, as it comes |
`;
}

const UNSAID = ['--resource-group', '--login', '--etag'];

function line({ name, az, is, verbs }: NounRow): string {
  const lines = verbs.map(({ name: verb, options }) => {
    const told = options.filter((option) => option.required === true || !UNSAID.includes(chief(option)));
    return `\`${[verb, ...told.map(shown)].join(' ')}\``;
  });
  return `| \`${name}\`: ${is}${az === undefined ? '' : ` (\`az ${az}\`)`} | ${lines.join('<br>')} |`;
}

function shown(option: OptionRow): string {
  return option.required === true ? chief(option) : `[${chief(option)}]`;
}

function chief({ flags }: OptionRow): string {
  return flags.split(' ')[0] ?? '';
}
