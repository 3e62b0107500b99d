/** What to do about each kind of failure; the first that fits. */
const remedies: readonly (readonly [kind: RegExp, remedy: string])[] = [
  [/\(scenario [^)]+\)$/, 'none: a scenario of the spec makes it fail, or it happened during one'],
  [/^halted when burning/, 'see what keeps it from being burnt; zerotouch burn --resume, or the fleet again, tries again'],
  [/^halted/, 'the image cannot be used: zerotouch verify IMAGE, and burn it again'],
  [/^throttled/, 'none needed while it passes: devices wait as long as they are told. Power on fewer a second: profile staggered'],
  [/^refused/, 'zerotouch why REGISTRATION_ID tells the real reason; compare the enrolment with zerotouch inspect IMAGE'],
  [/^ambiguous/, 'MQTT does not say whether it was a refusal: zerotouch why REGISTRATION_ID does'],
  [/^unavailable/, 'the service is not able now: devices wait and try again'],
  [/^unreachable/, 'is the service there, its name known, its certificate trusted?'],
  [/^dropped/, 'the connection was lost: look at the network, and at how many connections the service takes'],
  [/^timed-out/, 'the service, or this machine, is too busy: power on fewer a second'],
  [/^invalid/, 'the answer was not understood: the log of the cloud tells what was asked'],
];

/** What to do about failures of a kind. */
export function remedyFor(reason: string): string {
  return remedies.find(([kind]) => kind.test(reason))?.[1] ?? 'zerotouch why REGISTRATION_ID';
}
