/** Every mutant applies: a change of the compiler that moves what one is found by says so at once. */
import ts from 'typescript'
import { expect, test } from 'vitest'
import { applied, lookup, nameOf } from './mutant.ts'
import { compilerTexts, mutants } from './mutants.ts'

test('each is found in one place', () => {
  const lookups = mutants.map(lookup(compilerTexts()))
  expect(lookups.flatMap((l) => (l._tag === 'Lost' ? [l.why] : []))).toEqual([])
  expect(mutants.length).toBeGreaterThanOrEqual(90)
})

test('each is still a program: a mistake of syntax is noticed by whatever imports it', () => {
  const texts = compilerTexts()
  const broken = mutants.map(lookup(texts)).flatMap((l) => {
    if (l._tag === 'Lost' || !l.found.path.endsWith('.ts')) return []
    const { path: fileName, mutant } = l.found
    const { diagnostics = [] } = ts.transpileModule(applied(mutant)(texts.get(fileName) ?? ''), { fileName, reportDiagnostics: true })
    return diagnostics.map((d) => `${nameOf(mutant)}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`)
  })
  expect(broken).toEqual([])
})
