/** What Node 20.13 and later have, and their types do not. */
type Report = Partial<typeof process.report> & { excludeNetwork?: boolean };

/**
 * Loads a package of native code. Such a package looks for the machine's C library in a diagnostic report of Node's, and while that is made everything
 * stands still: for each address that this process listens on, a name server is asked for its name, and it may never answer. Here it is not asked.
 * @param load imports the package
 * @throws whatever `load` rejects with
 */
export async function loadNative<T>(load: () => Promise<T>): Promise<T> {
  // Bun has no reports.
  const report: Report = process.report ?? {};
  const { excludeNetwork = false } = report;
  report.excludeNetwork = true;
  try {
    return await load();
  } finally {
    report.excludeNetwork = excludeNetwork;
  }
}
