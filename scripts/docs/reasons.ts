import { rules } from '@zerotouch/cloud-sim/rules';

/** docs/reasons.md: every cause for which the local cloud says no, from the rules that it decides by. */
export function reasonsDocument(): string {
  const rows = Object.entries(rules)
    .filter(([, { at }]) => at !== 'none')
    .map(([rule, { at, means, wire, remedy }]) => `| \`${rule}\` | ${at} | ${means} | ${wire} | ${remedy} |`);
  return `# Why a device was refused

Azure answers a device that fails with a vague code. The local cloud answers with the same code on the wire, and keeps the real reason: the rule that
decided, the value seen, what would have been accepted, the nearest value that would have passed, and what to do. It is in the log, in the \`refused\` event, in
\`cloud.attempts(id)\`, and in

\`\`\`
zerotouch why REGISTRATION_ID
\`\`\`

The rules, ${rows.length} of them. This table is made from \`cloud-sim/rules.ts\` by \`npm run docs\`; a test makes every row happen.

| rule | said by | what happened | on the wire | what to do |
| --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
