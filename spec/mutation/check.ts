/** Runs the specification against one mutant: nearest files first, until one notices. */
import type { Bench, Ended, Group } from './bench.ts'
import type { Imports } from './imports.ts'
import { distancesTo, testsOf } from './imports.ts'
import type { Found } from './mutant.ts'
import { applied, nameOf } from './mutant.ts'

export interface Result {
  readonly name: string
  readonly outcome: 'noticed' | 'survived'
  /** The file that noticed, and what it said. */
  readonly by: string
  readonly said: string
  readonly seconds: number
}

/** Sources in C are reached through what compiles them. */
const importedAs = (path: string): string => (path.endsWith('.ts') ? path : 'compiler/targets/native/compiler.ts')

/** Files that take minutes come after others that are a little further away. */
const slow = /parity|-graphs\.test|spec\/train|native-sanitizers|spec\/data/

/** Files that draw graphs. */
const generated = /-graphs\.test|laws\/passes\.test/

/** Specification files for a mutant, in groups that are run one after the other. */
export const groupsOf = (imports: Imports, path: string): ReadonlyArray<Group> => {
  const distances = distancesTo(imports, importedAs(path))
  const far = (t: string): number => (distances.get(t) ?? 99) + (slow.test(t) ? 4 : 0)
  // one target's own code is not in the way of another's
  const foreign = path.includes('/native/') ? 'gpujs' : path.includes('/gpujs/') ? 'native' : undefined
  const tests = testsOf(imports, importedAs(path))
    .filter((t) => foreign === undefined || !t.startsWith(`spec/targets/${foreign}`))
    .sort((a, b) => far(a) - far(b))
  const quick = tests.filter((t) => !slow.test(t) && !generated.test(t))
  // the generators are made to notice, mostly within their first graphs; gpu.js needs no compiler
  const graphs = tests.filter((t) => generated.test(t)).sort((a, b) => Number(b.includes('gpujs')) - Number(a.includes('gpujs')))
  const rest = tests.filter((t) => slow.test(t) && !generated.test(t))
  const whole = (some: ReadonlyArray<string>): Group => ({ tests: some, share: 1 })
  return [
    whole(quick.slice(0, 3)),
    ...graphs.map((t) => ({ tests: [t], share: 0.1 })),
    whole(quick.slice(3, 8)),
    // all graphs of one target take less than the many files that are left
    ...graphs.slice(0, 1).map((t) => whole([t])),
    whole(quick.slice(8)),
    ...graphs.slice(1).map((t) => whole([t])),
    whole(rest),
  ].filter((g) => g.tests.length > 0)
}

/** Tests that fail without any mutant too; each is tried once. */
export type Sound = (group: Group) => Promise<boolean>

const limit = 1200

export const check = async (bench: Bench, imports: Imports, { path, mutant }: Found, sound: Sound): Promise<Result> => {
  const began = Date.now()
  const result = (outcome: Result['outcome'], by = '', said = ''): Result => ({
    name: nameOf(mutant),
    outcome,
    by,
    said,
    seconds: Math.round((Date.now() - began) / 1000),
  })
  /** Whether some of a group's files notice; those that fail without the mutant too say nothing, and the others are asked again. */
  const noticing = async (group: Group): Promise<Result | undefined> => {
    const ended: Ended = await bench.run(group, limit)
    if (ended._tag === 'Passed') return undefined
    const file = ended._tag === 'Failed' ? group.tests.find((t) => ended.said.includes(t)) : undefined
    const by = file === undefined ? group.tests : [file]
    if (await sound({ ...group, tests: by }))
      return result('noticed', by.join(' '), ended._tag === 'Hung' ? `no end in ${limit} s` : ended.said)
    const others = group.tests.filter((t) => !by.includes(t))
    return others.length === 0 ? undefined : noticing({ ...group, tests: others })
  }
  return bench.changed(path, applied(mutant), async () => {
    for (const group of groupsOf(imports, path)) {
      const noticed = await noticing(group)
      if (noticed !== undefined) return noticed
    }
    return result('survived')
  })
}
