/**
 * Program and arguments that start a bare Node, as a user would. tap hands every child process a loader of its own, which writes down each
 * file that it loads: that doubles what a command costs, and nothing here reads it.
 */
export function bareNode(...args: string[]): [string, string[]] {
  return ['env', ['-u', 'NODE_OPTIONS', process.execPath, ...args]];
}
