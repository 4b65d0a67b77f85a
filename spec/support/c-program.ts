/** A unit of C of the native target as a program of its own. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Unnamed } from '../../compiler/kernel/kernel.ts'
import type { TermTable } from '../../compiler/kernel/table.ts'
import { unitsOf } from '../../compiler/targets/native/source.ts'
import { kernelOf } from './kernels.ts'

const runtime = fileURLToPath(new URL('../../compiler/targets/native/runtime/', import.meta.url))

/** The unit of one kernel, as its function `k0`. */
export const unitOf = (table: TermTable, shape: Unnamed): string => unitsOf([kernelOf(table, shape)])[0].source

/** The numbers that `main` prints behind the unit. */
export const printedBy = (unit: string, main: string): ReadonlyArray<number> => {
  const folder = mkdtempSync(join(tmpdir(), 'unit-'))
  const [text, program] = [join(folder, 'unit.c'), join(folder, 'unit')]
  writeFileSync(text, `${unit}\n#include <stdio.h>\nint main(void) {\n${main}\nreturn 0;\n}\n`)
  execFileSync('cc', ['-O1', '-w', '-march=native', `-I${runtime}`, text, '-lm', '-o', program])
  const printed = execFileSync(program, { encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  return printed.trim().split(/\s+/).map(Number)
}
