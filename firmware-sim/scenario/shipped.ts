import type { Scenario, ScenarioFault } from './scenario.js';

const MINUTE = 60;
const HOUR = 60 * MINUTE;

const day = (
  name: string,
  summary: string,
  faults: readonly ScenarioFault[],
  dpsCalls: Scenario['expect']['dpsCalls'],
  state: Scenario['expect']['state'] = 'running',
): Scenario => ({ version: 1, name, summary, faults, expect: { state, dpsCalls } });

/** The bad days that come with the tool. */
export const scenarios: readonly Scenario[] = [
  day('good-day', 'Nothing goes wrong: the day to compare the others with.', [], 1),
  day(
    'power-cut-first-boot',
    'Power goes in the middle of a flash word while the first boot is being counted.',
    [{ when: 'start', fault: 'power-cut', afterWords: 12, inside: true }],
    1,
  ),
  day(
    'power-cut-assignment',
    'Power goes while the assignment is being written: DPS is asked again, and gives the same hub.',
    [{ when: { state: 'committing' }, fault: 'power-cut', afterWords: 9, inside: true }],
    2,
  ),
  day(
    'power-cut-config',
    'Power goes while the configuration is being written: the hub is known, the configuration is pulled again.',
    [{ when: { state: 'applying' }, fault: 'power-cut', afterWords: 9, inside: true }],
    1,
  ),
  day(
    'power-cut-in-recovery',
    'Power goes while the assignment is being written, and again while that is being repaired.',
    [
      { when: { state: 'committing' }, fault: 'power-cut', afterWords: 9, inside: true },
      { when: { state: 'mounting', nth: 2 }, fault: 'power-cut', afterWords: 1, inside: true },
    ],
    2,
  ),
  day(
    'bad-sector',
    'The first sector of the NVS is worn out: the others are used.',
    [{ when: 'start', fault: 'bad-sector', sector: 16 }],
    1,
  ),
  day(
    'dns-gone',
    'The name of DPS cannot be resolved for twenty minutes.',
    [{ when: 'start', fault: 'dps', answer: 'unreachable', forSeconds: 20 * MINUTE }],
    [3, 20],
  ),
  day(
    'captive-portal',
    'A portal answers in place of everybody, by another certificate or by none, until somebody signs in after a quarter of an hour.',
    [
      { when: 'start', fault: 'dps', answer: 'unreachable', forSeconds: 15 * MINUTE },
      { when: 'start', fault: 'hub', answer: 'unreachable', forSeconds: 15 * MINUTE },
    ],
    [3, 20],
  ),
  day(
    'mtu-black-hole',
    'Large packets are lost on the way: no TLS handshake ends, twice at DPS and twice at the hub.',
    [
      { when: 'start', fault: 'dps', answer: 'timed-out', times: 2 },
      { when: 'start', fault: 'hub', answer: 'timed-out', times: 2 },
    ],
    3,
  ),
  day(
    'dps-throttles',
    'DPS answers 429 for ten minutes, and says to wait a minute each time.',
    [{ when: 'start', fault: 'dps', answer: 'throttled', retryAfterSeconds: MINUTE, forSeconds: 10 * MINUTE }],
    [9, 11],
  ),
  day('dps-fails', 'DPS answers 500 three times.', [{ when: 'start', fault: 'dps', answer: 'unavailable', times: 3 }], 4),
  day('dps-drops', 'The connection to DPS is lost three times.', [{ when: 'start', fault: 'dps', answer: 'dropped', times: 3 }], 4),
  day(
    'dps-silent',
    'DPS takes the connection and never answers, twice.',
    [{ when: 'start', fault: 'dps', answer: 'timed-out', times: 2 }],
    3,
  ),
  day(
    'registration-hangs',
    'The client neither answers nor lets itself be ended: the watchdog starts the device over.',
    [{ when: 'start', fault: 'dps', answer: 'hangs' }],
    2,
  ),
  day(
    'enrolled-late',
    'The device is switched on before it is enrolled: it asks again after five to ten minutes.',
    [{ when: 'start', fault: 'dps', answer: 'refused' }],
    2,
  ),
  day(
    'never-enrolled',
    'Nobody enrols the device: for an hour it asks every five to ten minutes, and is then found waiting.',
    [
      { when: 'start', fault: 'dps', answer: 'refused', forSeconds: HOUR },
      { when: { afterSeconds: HOUR + 1 }, fault: 'dps', answer: 'refused' },
    ],
    [7, 13],
    'refused',
  ),
  day(
    'certificate-expired',
    'The certificate has expired: refused for two hours, until the enrolment takes it again.',
    [{ when: 'start', fault: 'dps', answer: 'refused', forSeconds: 2 * HOUR }],
    [12, 26],
  ),
  day('hub-deleted', 'The hub no longer knows the device: DPS is asked at once.', [{ when: 'start', fault: 'hub', answer: 'refused' }], 2),
  day(
    'hub-refuses-twice',
    'The hub that DPS names refuses, and refuses again: DPS is asked again only after a wait.',
    [{ when: 'start', fault: 'hub', answer: 'refused', times: 2 }],
    3,
  ),
  day(
    'hub-ambiguous',
    'Four times the hub ends the connection in a way that may be a refusal: borne, for a fifth would be one.',
    [{ when: 'start', fault: 'hub', answer: 'ambiguous', times: 4 }],
    1,
  ),
  day(
    'hub-away',
    'The hub cannot be reached for ten minutes: the device stays with it.',
    [{ when: 'start', fault: 'hub', answer: 'unreachable', forSeconds: 10 * MINUTE }],
    1,
  ),
  day(
    'hub-away-long',
    'The hub answers 503 for three quarters of an hour: DPS is asked after 15 to 30 minutes each.',
    [{ when: 'start', fault: 'hub', answer: 'unavailable', forSeconds: 45 * MINUTE }],
    [2, 4],
  ),
  day('link-drops', 'The connection is lost as soon as the device is running.', [{ when: { state: 'running' }, fault: 'link-drop' }], 1),
  day(
    'link-drops-after-register',
    'DPS has answered, and then the network is gone for two attempts at the hub.',
    [{ when: { state: 'connecting' }, fault: 'hub', answer: 'dropped', times: 2 }],
    1,
  ),
  day(
    'clock-1970',
    'The device has no clock: a certificate does without; one that signs, with a symmetric key or a TPM, is refused until it is told the time.',
    [{ when: 'start', fault: 'clock', to: '1970-01-01T00:00:00Z' }],
    1,
  ),
  day(
    'clock-jumps',
    'The clock jumps half an hour ahead, and the connection is lost.',
    [
      { when: { state: 'running' }, fault: 'clock', jumpSeconds: HOUR / 2 },
      { when: { state: 'running' }, fault: 'link-drop' },
    ],
    1,
  ),
  day(
    'bad-config',
    'The first configuration cannot be applied: it is reported as failed, and the device runs.',
    [{ when: 'start', fault: 'config-fails' }],
    1,
  ),
  day(
    'crash-loop',
    'The program dies five times as soon as it is running: the sixth boot is in safe mode, connected, and applies nothing.',
    [{ when: { state: 'running' }, fault: 'crash', times: 5 }],
    1,
    'safe',
  ),
  day(
    'sent-elsewhere',
    'The hub tells the device to register again.',
    [{ when: { state: 'running' }, fault: 'command', command: 'reprovision' }],
    2,
  ),
  day(
    'factory-reset',
    'The hub tells the device to forget everything: it starts as if it were new.',
    [{ when: { state: 'running' }, fault: 'command', command: 'factory-reset' }],
    2,
  ),
];
