/** Where and how a run goes, its name and its judge aside; and what becomes of an earlier run in its folder. */
import type { Taking } from '../run/folder.ts'
import type { RunOptions } from '../run/opened.ts'

export type Where = Omit<RunOptions, 'name' | 'judge'> & Pick<Taking, 'overwrite' | 'lines'>
