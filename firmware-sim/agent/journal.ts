/** Priorities of syslog. Source: sd-daemon(3), "the kernel's printk() style". */
export const PRIORITY = { error: 3, warning: 4, notice: 5, info: 6 } as const;
export type Priority = keyof typeof PRIORITY;

/** What a line tells besides its event; what is undefined is left out. Never a secret. */
export type JournalFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Takes what happened, a line an event. */
export type Journal = (priority: Priority, event: string, fields?: JournalFields) => void;

/** How lines look: `journal` with systemd's priority before them, `words` for a person at a terminal, `json` for programs. */
export type JournalForm = 'journal' | 'words' | 'json';

/** A journal that writes to a stream which systemd-journald, a terminal or a program reads. @param write takes a whole line, its newline included */
export function journalTo(write: (line: string) => void, form: JournalForm): Journal {
  return (priority, event, fields = {}) => {
    if (form === 'json') return write(`${JSON.stringify({ priority, event, ...fields })}\n`);
    const said = Object.entries(fields).filter(([, value]) => value !== undefined);
    const words = [event, ...said.map(([name, value]) => `${name}=${plain(String(value))}`)].join(' ');
    write(`${form === 'journal' ? `<${PRIORITY[priority]}>` : ''}${words}\n`);
  };
}

/** A value that holds a space or worse is quoted as JSON, so that an event stays one line whatever a server said. */
function plain(value: string): string {
  return /^[\w.:/@+,-]+$/.test(value) ? value : JSON.stringify(value);
}
