/** Plain tables for a terminal: columns as wide as needed, the last one cut to what fits. */
import Table from 'cli-table3';

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string | number;
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const;

/** `width` is that of the terminal in columns; undefined (a pipe) means that nothing is cut. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width?: number): string {
  const table = new Table({ chars: NO_LINES, style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] } });
  table.push(columns.map(({ title }) => title.toUpperCase()));
  for (const row of rows) table.push(columns.map(({ value }) => printable(String(value(row)))));
  return table
    .toString()
    .split('\n')
    .map((line) => fitted(line.trimEnd(), width))
    .join('\n');
}

/** Names come from objects: what could steer a terminal is shown, not sent. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function fitted(line: string, width: number | undefined): string {
  return width === undefined || line.length <= width ? line : `${line.slice(0, Math.max(1, width - 1))}…`;
}
