import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { exitCode } from '../../core/fault.ts'
import { targetNames } from '../../compiler/targets/names.ts'
import { commonOptions, helpText } from '../../train/cli/arguments.ts'
import { parseArguments } from '../../train/cli/parsing.ts'
import type { Arguments, CommandSpec } from '../../train/cli/arguments.ts'
import { editDistance, nearest } from '../../train/config/spelling.ts'
import { left, right } from '../data/either.ts'

const plain: CommandSpec = { call: 'npx tsx examples/dinov2.ts', about: 'Trains DINOv2.' }
const rich: CommandSpec = {
  call: 'npm run evaluate --',
  about: 'Evaluates a model.',
  options: [
    { name: 'sample', value: 'DIR', text: 'write sample crops' },
    { name: 'dry', text: 'only print' },
    { name: 'program', also: 'plugin', value: 'FILE', text: 'whose run it is' },
  ],
  operands: [
    { name: 'TASK', text: 'what to evaluate', choices: ['knn', 'linear'] },
    { name: 'MODE', text: 'how', optional: true },
  ],
}

const run = (c: CommandSpec, ...argv: ReadonlyArray<string>): Arguments => {
  const p = right(parseArguments(c)(argv))
  if (p._tag === 'Help') throw new Error('help')
  return p.arguments
}
const bad = (c: CommandSpec, ...argv: ReadonlyArray<string>) => {
  const f = left(parseArguments(c)(argv))
  expect(exitCode(f)).toBe(2)
  return f
}

describe('the command line', () => {
  test('another word for an option is that option', () => {
    for (const word of ['program', 'plugin']) expect(run(rich, 'knn', `--${word}`, 'mine.ts').extra.get('program')).toBe('mine.ts')
  })
  test('nothing given is nothing decided', () => {
    expect(run(plain)).toEqual({
      config: O.none,
      set: [],
      data: O.none,
      out: O.none,
      target: O.none,
      threads: O.none,
      devices: O.none,
      seed: O.none,
      steps: O.none,
      epochs: O.none,
      minutes: O.none,
      resume: false,
      overwrite: false,
      preview: O.none,
      model: O.none,
      json: false,
      speech: 'usual',
      failOnCollapse: false,
      extra: new Map(),
      operands: [],
    })
  })

  test('everything given is decoded', () => {
    const a = run(
      plain,
      '--config',
      'a.yaml',
      '--set',
      'optim.lr=0.1',
      '--set=data.name=x=y',
      '--set',
      'empty=',
      '--data=photos',
      '--out',
      'runs/x',
      '--target',
      'gpujs:webgpu',
      '--threads',
      '2',
      '--seed',
      '0',
      '--steps=50',
      '--resume',
      '--json',
    )
    expect(a.set).toEqual([
      { path: 'optim.lr', value: '0.1' },
      { path: 'data.name', value: 'x=y' },
      { path: 'empty', value: '' },
    ])
    expect([a.config, a.data, a.out, a.target, a.threads, a.seed, a.steps].map((o) => O.toNullable<string | number>(o))).toEqual([
      'a.yaml',
      'photos',
      'runs/x',
      'gpujs:webgpu',
      2,
      0,
      50,
    ])
    expect([a.resume, a.json]).toEqual([true, true])
    expect(run(plain, '--steps', '1', '--steps', '2').steps).toEqual(O.some(2))
    expect(run(plain, '--out=-odd').out).toEqual(O.some('-odd'))
    for (const t of targetNames) expect(run(plain, '--target', t).target).toEqual(O.some(t))
  })

  test('a command has options and operands of its own', () => {
    const a = run(rich, 'knn', '--sample', 'p', '--dry', 'fast')
    expect([...a.extra]).toEqual([
      ['sample', 'p'],
      ['dry', true],
    ])
    expect(a.operands).toEqual(['knn', 'fast'])
    expect(bad(rich).place).toBe('TASK')
    expect(bad(rich, 'kn').remedy).toBe('did you mean knn?')
    expect(bad(rich, 'knn', 'a', 'b').found).toBe('the word "b"')
    expect(bad(plain, '--sample', 'p').found).toBe('the unknown option --sample')
  })

  test('wrong use names the nearest valid option', () => {
    expect(bad(plain, '--confg', 'a').remedy).toBe('did you mean --config?')
    expect(bad(plain, '--step=3').remedy).toBe('did you mean --steps?')
    expect(bad(plain, '--Seed', '3').remedy).toBe('did you mean --seed?')
    expect(bad(plain, '--res').remedy).toBe('did you mean --resume?')
    expect(bad(plain, '--zzzzzzzzz').remedy).toBe('see npx tsx examples/dinov2.ts --help')
    expect(bad(plain, '-s', '3').found).toBe('the unknown option -s')
    expect(bad(plain, '--no-resume').found).toBe('the unknown option --no-resume')
    expect(bad(plain, '--target', 'gpujs:webgl').remedy).toMatch(/^did you mean gpujs:webgpu\?/)
    expect(bad(plain, '--target', 'cuda').allowed).toBe(targetNames.join(', '))
    expect(bad(plain, '--steps', '-3')).toMatchObject({ place: '--steps', found: '-3', remedy: 'write --steps 4, for example' })
    expect(bad(plain, '--steps', '--json').found).toMatch(/looks like an option/)
    expect(bad(plain, '--out').found).toBe('no value')
    expect(bad(plain, '--out=').found).toBe('no value')
    expect(bad(plain, '--preview', 'a.b/crops.txt').remedy).toBe('write --preview a.b/crops.png')
    expect(bad(plain, '--resume=yes').found).toBe('the value "yes"')
    for (const n of ['0', '-1', '1.5', 'many', '1e3', '', '9'.repeat(16)]) bad(plain, `--steps=${n}`)
    expect(bad(plain, '--seed=9007199254740992').allowed).toMatch(/9007199254740991/)
    for (const s of ['x', '=3', 'a b=3']) expect(bad(plain, '--set', s).allowed).toBe('PATH=VALUE')
    expect(bad(plain, 'photos').found).toBe('the word "photos"')
  })

  test('one option says how long a run is, by a number above zero', () => {
    expect([run(plain, '--epochs', '0.5').epochs, run(plain, '--minutes=20').minutes]).toEqual([O.some(0.5), O.some(20)])
    for (const n of ['0', '-1', '1e3', 'many', '0.0']) {
      expect(bad(plain, '--epochs', n).allowed).toBe('a number above 0')
      expect(bad(plain, '--minutes', n).place).toBe('--minutes')
    }
    const two = bad(plain, '--steps', '3', '--minutes', '2')
    expect([two.found, two.remedy]).toEqual(['--steps and --minutes', 'leave --minutes out'])
    expect(run(plain, '--steps', '3').steps).toEqual(O.some(3))
    // a command may mean something else by the name
    const own: CommandSpec = { ...rich, options: [{ name: 'minutes', value: 'N', text: 'of searching' }] }
    expect([...run(own, 'knn', '--minutes', '5', '--steps', '3').extra]).toEqual([['minutes', '5']])
  })

  test('letters stand for some options; how much is said is one thing', () => {
    expect([run(plain, '-v').speech, run(plain, '--verbose').speech, run(plain, '--quiet').speech]).toEqual(['verbose', 'verbose', 'quiet'])
    expect(bad(plain, '-v', '--quiet').remedy).toBe('leave one out')
    expect(run(plain, '--fail-on-collapse').failOnCollapse).toBe(true)
  })

  test('the last operand may stand several times', () => {
    const several: CommandSpec = { ...plain, operands: [{ name: 'RUN', text: 'a run', repeat: true, optional: true }] }
    expect([run(several).operands, run(several, 'a', 'b', 'c').operands]).toEqual([[], ['a', 'b', 'c']])
    expect(helpText(several)).toContain('[RUN …]')
  })

  test('help says what exit codes mean, and that of a collapse where it can be', () => {
    expect(helpText(plain)).toMatch(/exit codes: 0 done.* 1 failed; 2 wrong use.* 3 collapsed.* 130 /)
    expect(helpText({ ...plain, answers: ['out'] })).toMatch(/exit codes: 0 done(?!.* 3 collapsed)/)
  })

  test('help wins, and shows every option with its choices', () => {
    const p = right(parseArguments(rich)(['--nonsense', '--help']))
    expect(p).toEqual({ _tag: 'Help', text: helpText(rich) })
    expect(right(parseArguments(plain)(['-h']))._tag).toBe('Help')
    for (const o of [...commonOptions, ...(rich.options ?? [])]) expect(helpText(rich)).toContain(`--${o.name}`)
    expect(helpText(rich)).toContain('usage: npm run evaluate -- TASK [MODE] [options]')
    expect(helpText(plain)).toContain('gpujs:headlessgl')
  })

  test('a command answers the common options that it uses, and no others', () => {
    const few: CommandSpec = { call: 'npm run data --', about: '', answers: ['out'] }
    expect(run(few, '--out', 'x', '--json').out).toEqual(O.some('x'))
    expect(bad(few, '--steps', '3').found).toBe('the unknown option --steps')
    expect(helpText(few)).not.toContain('--resume')
    expect(helpText(few)).toContain('--json')
  })

  test('any words give arguments, help or a fault', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '--',
        '-',
        '--set',
        '--steps',
        '--config=',
        '--target',
        '--json',
        'a=1',
        '3',
        '--constructor',
        '--__proto__',
        '--toString=1',
      ),
    )
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (argv) => {
        const e = parseArguments(rich)(argv)
        if (E.isLeft(e)) expect(e.left.kind).toBe('usage')
      }),
      { numRuns: 500 },
    )
  })
})

describe('nearest names', () => {
  test('edit distance is a distance', () => {
    const s = fc.string({ maxLength: 8 })
    fc.assert(
      fc.property(s, s, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a))
        expect(editDistance(a, a)).toBe(0)
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length))
        expect(editDistance(a, b)).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
      }),
    )
    expect([editDistance('sede', 'seed'), editDistance('ab', 'ba'), editDistance('kitten', 'sitting')]).toEqual([1, 1, 3])
    expect(nearest('zz', ['abc', 'def'])).toBeUndefined()
    // two letters of which none is the same
    expect(nearest('xx', ['lr', 'wd'])).toBeUndefined()
    // a letter too many is nearer than half a name
    expect(nearest('lrr', ['lr', 'lrRule'])).toBe('lr')
    expect(nearest('lrru', ['lr', 'lrRule'])).toBe('lrRule')
  })
})
