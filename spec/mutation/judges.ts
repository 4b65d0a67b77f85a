/** The specification files that judge mutants, and what each costs: measured once, without any mutant. */
import { relative } from 'node:path'
import * as t from 'io-ts'
import type { Group } from './bench.ts'
import type { Imports } from './imports.ts'
import { testsOf } from './imports.ts'

/** A specification file that passes without any mutant. */
export interface Judge {
  readonly test: string
  readonly seconds: number
}

/** The compiler's own specification: what only whole runs of training would notice counts as not noticed. */
const own = /^spec\/(laws|rules|targets|golden|ops|losses|models|strategies|parity)\//

export const candidates = (imports: Imports): ReadonlyArray<string> =>
  [...imports.keys()].filter((p) => own.test(p) && p.endsWith('.test.ts')).sort()

const survey = t.strict({
  testResults: t.readonlyArray(t.strict({ name: t.string, status: t.string, startTime: t.number, endTime: t.number })),
})

export interface Survey {
  readonly judges: ReadonlyArray<Judge>
  /** Files that fail without any mutant. */
  readonly failing: ReadonlyArray<string>
}

/** Judges from what runs of vitest wrote; files are named from `folder`. */
export const judgesIn = (written: ReadonlyArray<unknown>, folder: string): Survey => {
  const files = written.flatMap((json) => {
    const read = survey.decode(json)
    return read._tag === 'Right' ? read.right.testResults.map((r) => ({ ...r, test: relative(folder, r.name) })) : []
  })
  return {
    judges: files.filter((f) => f.status === 'passed').map((f) => ({ test: f.test, seconds: (f.endTime - f.startTime) / 1000 })),
    failing: files.filter((f) => f.status !== 'passed').map((f) => f.test),
  }
}

/** Files that draw graphs: made to notice, mostly within their first ones. */
const generated = /-graphs\.test|laws\/passes\.test/

/** Sources in C are reached through what compiles them. */
const importedAs = (path: string): string => (path.endsWith('.ts') ? path : 'compiler/targets/native/compiler.ts')

/** Groups that are run one after the other. */
export interface Groups {
  /** What takes a tenth of the time of all: what costs least first, the generators with few graphs. */
  readonly quick: ReadonlyArray<Group>
  readonly slow: ReadonlyArray<Group>
}

/** Specification files for a mutant. */
export const groupsOf = (imports: Imports, judges: ReadonlyArray<Judge>, path: string): Groups => {
  // one target's own code is not in the way of another's
  const foreign = path.includes('/native/') ? 'gpujs' : path.includes('/gpujs/') ? 'native' : undefined
  const reached = new Set(testsOf(imports, importedAs(path)))
  const mine = judges
    .filter((j) => reached.has(j.test) && (foreign === undefined || !j.test.startsWith(`spec/targets/${foreign}`)))
    .sort((a, b) => a.seconds - b.seconds)
  const plain = mine.filter((j) => !generated.test(j.test))
  const graphs = mine.filter((j) => generated.test(j.test))
  const all = mine.reduce((n, j) => n + j.seconds, 0)
  /** Those that begin within some share of the time that all take. */
  const between = (from: number, to: number): Group => {
    let passed = 0
    const tests: Array<string> = []
    for (const { test, seconds } of plain) {
      if (passed >= from * all && passed < to * all) tests.push(test)
      passed += seconds
    }
    return { tests, share: 1 }
  }
  const alone = (some: ReadonlyArray<Judge>, share: number): ReadonlyArray<Group> => some.map((g) => ({ tests: [g.test], share }))
  return {
    quick: [between(0, 0.02), ...alone(graphs, 0.1), between(0.02, 0.05), between(0.05, 0.1)].filter(({ tests }) => tests.length > 0),
    slow: [...alone(graphs, 1), ...between(0.1, 1).tests.map((test) => ({ tests: [test], share: 1 }))],
  }
}
