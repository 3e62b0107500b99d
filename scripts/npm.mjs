/** `[command, args]` that runs npm with these arguments, for `spawn` and `spawnSync`, on Windows too. */
export function npm(args) {
  return process.platform === 'win32' ? ['cmd', ['/c', 'npm', ...args]] : ['npm', args];
}
