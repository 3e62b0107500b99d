import { systemClock } from '@zerotouch/foundation/clock';
import { EXIT } from '@zerotouch/foundation/command/failure';
import type { CommandFrame } from '@zerotouch/foundation/command/frame';
import { aborted } from '@zerotouch/foundation/command/interruption';
import { isFault } from '@zerotouch/foundation/fault';
import type { Command } from 'commander';
import type { JournalForm } from './journal.js';
import { HEALTH_SOCKET, SETTINGS_FILE } from './settings.js';
import type { Health } from './standing.js';

/** Milliseconds within which a signal to all processes of a service has reached each of them. */
const SIGNAL_LAG_MS = 2000;

/** Adds the verbs of the device agent: `agent`, which a service manager runs, `health` and `settings`. */
export function addAgentVerbs(program: Command, frame: CommandFrame, version: string): void {
  program
    .command('agent')
    .summary('keep a device powered on as a system service')
    .description(
      'Keep the device of a settings file powered on until SIGTERM. SIGHUP, or a change of the file, makes it read its settings again.',
    )
    .option('--config <file>', 'the settings', SETTINGS_FILE)
    .addHelpText('after', '\nExamples:\n  $ zerotouch-device agent --config device.yaml\n  $ journalctl -u zerotouch-device -f')
    .action(({ config }: { config: string }) =>
      frame.run(async ({ signal }) => {
        await runAgent(config, version, program.opts().json === true, signal);
        return undefined;
      }),
    );
  program
    .command('health')
    .summary('ask a running agent how its device is')
    .description('Ask a running agent how its device is. Exits 0 when the device is running, 1 when it is not or nobody answers.')
    .option('--socket <path>', 'where the agent tells its health', HEALTH_SOCKET)
    .action(({ socket }: { socket: string }) =>
      frame.run(async ({ output }) => {
        const { askHealth } = await import('./health-socket.js');
        const health = await askHealth(socket);
        output.result({ ...health }, healthWords(health));
        return health.healthy ? EXIT.done : EXIT.failed;
      }),
    );
  program
    .command('settings')
    .summary('check the settings of an agent')
    .description("Check an agent's settings file, and print what it says with every default.")
    .argument('[file]', 'the settings', SETTINGS_FILE)
    .action((file: string) =>
      frame.run(async ({ output }) => {
        const { readSettingsFile } = await import('./settings-file.js');
        const settings = { ...readSettingsFile(file) };
        const words = Object.entries(settings).map(([name, value]) => `${name.padEnd(13)} ${value}`);
        output.result(settings, words.join('\n'));
        return undefined;
      }),
    );
}

async function runAgent(file: string, version: string, json: boolean, signal: AbortSignal): Promise<void> {
  const [{ Agent }, { journalTo }, { lastGoodIn, lastGoodInMemory }, manager, { readSettingsApart }, { watchFile }] = await Promise.all([
    import('./agent.js'),
    import('./journal.js'),
    import('./last-good.js'),
    import('./service-manager.js'),
    import('./settings-process.js'),
    import('./file-watch.js'),
  ]);
  const form: JournalForm = json ? 'json' : process.stdout.isTTY ? 'words' : 'journal';
  const journal = journalTo((line) => void process.stdout.write(line), form);
  // systemd may name several folders; ours is the first.
  const folder = process.env.STATE_DIRECTORY?.split(':')[0];
  const agent = new Agent({
    settingsFile: file,
    readSettings: (settings) => readSettingsApart(process.argv[1] ?? '', settings),
    lastGood: folder === undefined ? lastGoodInMemory() : lastGoodIn(folder),
    journal,
    manager: new manager.ServiceManager(manager.systemdCourier(process.env), (detail) =>
      journal('warning', 'systemd-not-told', { detail }),
    ),
    watchdogMs: manager.watchdogMs(process.env),
    version,
  });
  // Before anything is awaited: without a listener the signal would end the process.
  let started = false;
  process.on('SIGHUP', () => void (started && agent.reload()));
  try {
    await agent.start();
  } catch (error) {
    // A service manager ends all processes of a service at once, and so the one that reads the settings: its end may be heard before our signal.
    if (isFault(error) && error.code === 'SETTINGS_UNREADABLE') await systemClock.wait(SIGNAL_LAG_MS, signal).catch(() => {});
    if (!signal.aborted) throw error;
  }
  started = true;
  const unwatched = (error: Error): void => journal('warning', 'settings-not-watched', { detail: error.message });
  watchFile(file, systemClock, signal, () => void agent.reload(), unwatched);
  await aborted(signal);
  await agent.stop();
}

function healthWords({ state, since, hub, deviceId, registrationId, lastError, warnings, settings, versions }: Health): string {
  const lines = [
    `${deviceId ?? registrationId ?? 'The device'} is ${state}${hub === null ? '' : ` on ${hub}`} since ${since} (zerotouch-device ${versions.agent}, Node ${versions.node})`,
  ];
  if (lastError !== null)
    lines.push(`  last error ${lastError.at}, when ${lastError.during}: ${lastError.message}`, `  what to do: ${lastError.remedy}`);
  for (const { reason, where, until, remedy } of warnings)
    lines.push(`  warning: ${reason} (${where}${until === undefined ? '' : `, until ${until}`})`, `  what to do: ${remedy}`);
  if (settings.refused !== null) lines.push(`  settings refused, ${settings.from} in force: ${settings.refused}`);
  return lines.join('\n');
}
