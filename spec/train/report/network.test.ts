/** Reports of real runs, each a process: labelled digits, and slices of a scan through two windows without labels. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { node } from '../../support/command.ts'

const root = mkdtempSync(join(tmpdir(), 'report-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const set = (...settings: ReadonlyArray<string>): ReadonlyArray<string> => settings.flatMap((s) => ['--set', s])

const small = set(
  'batch=4',
  'model.width=16',
  'model.depth=2',
  'model.heads=2',
  'head.hidden=16',
  'head.bottleneck=8',
  'head.prototypes=16',
  'augmentation.locals=1',
)

const sections = (page: string): ReadonlyArray<string> => [...page.matchAll(/<section id="([\w-]+)"/g)].map((m) => m[1])

/** Pictures within the page. */
const pictures = (page: string): number => [...page.matchAll(/<img src="data:image\/(?:png|webp);base64,/g)].length

describe('a run of labelled images', () => {
  const out = join(root, 'digits')
  it('writes everything that its network shows', () => {
    const done = node(
      'examples/dinov1.ts',
      '--steps',
      '2',
      '--target',
      'gpujs:cpu',
      '--out',
      out,
      ...small,
      ...set('data.train=160', 'data.test=120', 'evaluation.k=3', 'evaluation.during=0'),
    )
    expect(done.code, done.err).toBe(0)
    expect(done.err).toContain(`report: ${join(out, 'report.html')}`)
    const page = readFileSync(join(out, 'report.html'), 'utf8')
    expect(sections(page)).toEqual([
      'curves',
      'evaluations',
      'attention',
      'neighbours',
      'map',
      'network',
      'numbers',
      'configuration',
      'environment',
    ])
    // six images: themselves, two heads and their mean, mass, boxes, components twice; eight times seven neighbours, twice
    expect(pictures(page)).toBe(6 * 8 + 2 * 8 * 7)
    for (const text of [
      'finished',
      'k-NN (k = 3) before training',
      'k-NN after training (k = 3)',
      ', the best of 4',
      '<p class="verdict">k-NN (k = 3) ',
      '<summary>8 images, each with 6 neighbours</summary>',
      'The second row shows who they were before training.',
      'k nearest neighbours',
      'MedMNIST',
      'trustworthiness',
      'Trustworthiness at 15',
      'gpujs:cpu',
      'patches of 7 pixels',
    ])
      expect(page.toLowerCase()).toContain(text.toLowerCase())
    expect(page).not.toMatch(/(?<![\w-])(?:src|href)="(?!data:|#)/)
  })
  it('is looked at again by the command, as its folder says', () => {
    const done = node('train/cli/dinograph.ts', 'report', '--run', out, '--target', 'gpujs:cpu', '--evaluate', 'knn', '--json')
    expect(done.code, done.err).toBe(0)
    expect(JSON.parse(done.out.trim().split('\n').at(-1) ?? '')).toEqual({
      run: out,
      report: join(out, 'report.html'),
      sections: ['evaluations', 'attention', 'neighbours', 'map', 'network'],
    })
    const page = readFileSync(join(out, 'report.html'), 'utf8')
    expect(page).toContain('k nearest neighbours')
    expect(page).not.toContain('Linear classifiers')
  })
  it('is refused where the command is used wrongly', () => {
    for (const [words, code, text] of [
      [[], 2, '--run'],
      [['--run', join(root, 'none')], 1, 'no config.yaml'],
      [['--run', out, '--evaluate', 'guess'], 2, 'knn, linear, logistic, medmnist'],
    ] as const) {
      const done = node('train/cli/dinograph.ts', 'report', ...words)
      expect(done.err).toContain(text)
      expect(done.code).toBe(code)
    }
  })
})

describe('a run of slices through two windows, without labels', () => {
  it('shows the first channel, true boxes beside found ones, and no evaluation', () => {
    const out = join(root, 'ct')
    const done = node(
      'examples/ct.ts',
      '--steps',
      '2',
      '--target',
      'gpujs:cpu',
      '--out',
      out,
      ...small,
      ...set('data.windows=[400/800,600/400]', 'augmentation.globalSize=32', 'augmentation.localSize=16'),
    )
    expect(done.code, done.err).toBe(0)
    expect(existsSync(join(out, 'environment.json'))).toBe(true)
    const page = readFileSync(join(out, 'report.html'), 'utf8')
    expect(sections(page)).toEqual(['curves', 'attention', 'neighbours', 'network', 'numbers', 'configuration', 'environment'])
    for (const text of ['the first of 2 channels shown', 'class="true"', 'pointing game', 'guided']) expect(page).toContain(text)
    // the page's scores are said as well, and written down
    expect(done.err).toMatch(/\d true box(es)? in \d images?, of \d[\d.]* patches on average: mean best IoU/)
    const summary = readFileSync(join(out, 'summary.json'), 'utf8')
    for (const name of ['iou', 'pointing', 'ap50', 'box_patches']) expect(summary).toContain(`"${name}"`)
  })
})
