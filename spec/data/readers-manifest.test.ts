import { copyFile, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Fault } from '../../core/fault.ts'
import { labelsOf } from '../../data/readers/dataset.ts'
import { parseCsv } from '../../data/formats/csv.ts'
import { distinct } from '../../data/readers/manifest/distinct.ts'
import { datasetOf } from '../../data/readers/split.ts'
import { openData } from '../../data/readers/index.ts'
import { readable, substituting } from '../../data/readers/result.ts'
import { left, right } from './either.ts'
import { fixtures, itemsOf } from './readers-reference.ts'

let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
  await copyFile(join(fixtures, 'pictures/gray.png'), join(dir, 'a.png'))
  await copyFile(join(fixtures, 'pictures/gray.tif'), join(dir, 'b, c.tif'))
  await copyFile(join(fixtures, 'pictures/bits.png'), join(dir, 'mask.png'))
})

const write = async (name: string, text: string): Promise<string> => {
  await writeFile(join(dir, name), text)
  return join(dir, name)
}

describe('manifests', () => {
  test('a table with names of classes, a quoted path, boxes and splits', async () => {
    const path = await write(
      'm.csv',
      '\uFEFFPath,Label,Split,x,y,width,height\r\na.png,cat,train,1,1,2,3\r\n"b, c.tif","a ""dog""",test,,,,\r\n\r\na.png,,train,0,0,6,5\r\n',
    )
    const opened = right(await openData(path)())
    expect([opened.kind, [...opened.splits.keys()]]).toEqual(['manifest', ['train', 'test']])
    const train = right(datasetOf(opened, 'train'))
    const held = right(datasetOf(opened, 'test'))
    expect([train.length, train.classes, train.channels]).toEqual([2, ['a "dog"', 'cat'], 1])
    const [first, second] = await itemsOf(train)
    expect([first.label, first.box, first.source, second.label, second.boxes]).toEqual([
      1,
      { x: 1, y: 1, width: 2, height: 3 },
      'a.png',
      undefined,
      [{ x: 0, y: 0, width: 6, height: 5 }],
    ])
    expect([...right(labelsOf(held))]).toEqual([0])
    expect(left(labelsOf(train)).found).toBe('no label for item 1')
  })

  test('boxes may be four numbers each, in a column for one or for several', async () => {
    const path = await write('four.csv', 'path,boxes\na.png,"1,1,2,3"\na.png,"1,1,2,3, 0,0,6,5"\na.png,\na.png,"[[1,1,2,3]]"\n')
    const several = await write('several.csv', 'path,bbox\na.png,"[[1,1,2,3],[0,0,6,5]]"\na.png,1 1 2 3\n')
    const [one, two] = [
      { x: 1, y: 1, width: 2, height: 3 },
      { x: 0, y: 0, width: 6, height: 5 },
    ]
    const boxes = async (file: string) => (await itemsOf(right(datasetOf(right(await openData(file)()))))).map((item) => item.boxes)
    expect(await boxes(path)).toEqual([[one], [one, two], undefined, [one]])
    expect(await boxes(several)).toEqual([[one, two], [one]])
    const short = await write('short.csv', 'path,boxes\na.png,"1,1,2,3,4"\n')
    expect(left(await openData(short)()).found).toBe('the box [1,1,2,3,4]')
  })

  test('records by line with masks, several boxes and several classes', async () => {
    const path = await write(
      'm.jsonl',
      [
        { path: 'a.png', label: 3, boxes: [[0, 0, 2, 2], { x: 3, y: 1, width: 2, height: 2 }], mask: 'mask.png' },
        { image: 'b, c.tif', labels: [0, 1, 1] },
      ]
        .map((r) => JSON.stringify(r))
        .join('\n'),
    )
    const d = right(datasetOf(right(await openData(path)())))
    const [first, second] = await itemsOf(d)
    expect([first.label, first.box, first.boxes?.length, d.classes.length]).toEqual([3, { x: 0, y: 0, width: 2, height: 2 }, 2, 4])
    expect([first.mask?.length, first.mask?.every((m) => m <= 1), second.labels, second.label]).toEqual([30, true, [0, 1, 1], undefined])
  })

  test('DICOM and NIfTI files give all frames, or the one that a row names', async () => {
    for (const f of ['pydicom/rtdose.dcm', 'pydicom/MR_small.dcm', 'nifti/n1_u1.nii'])
      await copyFile(join(fixtures, f), join(dir, f.slice(f.indexOf('/') + 1)))
    const scans = right(
      datasetOf(
        right(
          await openData(await write('scans.csv', 'path,label,frame\nrtdose.dcm,1,7\nMR_small.dcm,0,\nrtdose.dcm,2,\n'), {
            select: ['all'],
          })(),
        ),
      ),
    )
    expect(scans.length).toBe(17)
    const items = await itemsOf(scans)
    expect(items.map((i) => [i.source, i.frame, i.label]).slice(0, 4)).toEqual([
      ['rtdose.dcm', 7, 1],
      ['MR_small.dcm', 0, 0],
      ['rtdose.dcm', 0, 2],
      ['rtdose.dcm', 1, 2],
    ])
    const slices = right(datasetOf(right(await openData(await write('slices.csv', 'file,class\nn1_u1.nii,sick\n'))())))
    expect([slices.length, slices.classes, right(await slices.item(5)()).label]).toEqual([6, ['sick'], 0])
    const bad = await write('bad.csv', 'path,frame\nrtdose.dcm,15\nrtdose.dcm,2\n')
    expect(left(await openData(bad)()).place).toBe(`${bad}: line 2`)
    const skipped = right(await openData(bad, { onError: 'skip' })())
    expect([right(datasetOf(skipped)).length, skipped.skipped.length]).toEqual([1, 1])
  })

  test('faults name the line and the reason', async () => {
    const fault = async (name: string, text: string): Promise<Fault> => left(await openData(await write(name, text))())
    const file = async (name: string, text: string): Promise<Fault> => {
      const f = await fault(name, text)
      return { ...f, place: f.place.replace(`${dir}/`, '') }
    }
    const none = await file('m.csv', 'words,more\nx.png,1\n')
    expect([none.found, none.remedy.includes('data.columns.path=NAME')]).toEqual(['no paths in the columns words, more', true])
    expect((await file('m.csv', 'path,label\nx.png\n')).found).toBe('1 cell in line 2, where there are 2 columns')
    expect((await file('m.csv', 'path\n"x.png\n')).found).toBe('a quote in line 2 that is not closed')
    expect((await file('m.csv', 'path,split\na.png,train\na.png,holdout\n')).found).toBe('the split "holdout"')
    expect((await file('m.csv', 'path,x,y,width,height\na.png,1,2,0,4\n')).found).toBe('the box [1,2,0,4]')
    expect((await file('m.csv', 'path,boxes\na.png,"[[1,2"\n')).place).toBe('m.csv: line 2: boxes')
    expect((await file('m.csv', '')).found).toBe('no line with the names of columns')
    expect((await file('m.csv', 'path\n')).found).toBe('no row')
    expect((await file('m.jsonl', '{"path": "a.png"}\n{"path": [3]}')).place).toMatch(/^m\.jsonl: line 2/)
    expect((await file('m.jsonl', '{"path"')).found).not.toBe('')
    await write('none.png', '')
    const far = await write(
      'far.jsonl',
      '{"path": "a.png", "box": [100, 0, 5, 5]}\n{"path": "none.png"}\n{"path": "a.png", "mask": "none.png"}',
    )
    const d = right(datasetOf(right(await openData(far)())))
    expect(left(await d.item(0)()).found).toBe('the box [100,0,5,5]')
    expect(left(await d.item(1)()).place).toBe(join(dir, 'none.png'))
    expect(left(await d.item(2)()).place).toBe(join(dir, 'none.png'))
    const { read, skipped } = right(await readable()(d)())
    expect([read, skipped.length]).toEqual([[], 3])
    const some = right(datasetOf(right(await openData(await write('some.csv', 'path\nnone.png\na.png\n'))())))
    const told: string[] = []
    const filled = substituting((f) => {
      told.push(f.place)
    })(some)
    expect([right(await filled.item(0)()).source, told]).toEqual(['a.png', [join(dir, 'none.png')]])
    expect(right(await readable()(some)()).read).toEqual([1])
  })

  test('different texts are numbered in their order', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 2 })), (texts) => {
        const { names, of } = distinct(texts.length, (k) => texts[k])
        expect(names).toEqual([...new Set(texts)].filter((t) => t !== ''))
        expect(Array.from(of, (n) => (n < 0 ? '' : names[n]))).toEqual(texts)
      }),
    )
  })

  test('lines are counted where cells and blanks between take several', () => {
    const parsed = parseCsv('a,b\n\n1,"x\ny\n\nz"\n\n\n2,\n,')
    expect(E.isRight(parsed) && [parsed.right.columns, Array.from(parsed.right.lines)]).toEqual([
      [
        ['1', '2', ''],
        ['x\ny\n\nz', '', ''],
      ],
      [3, 9, 10],
    ])
    const bare = parseCsv('a\n1\n2')
    expect(E.isRight(bare) && bare.right.columns).toEqual([['1', '2']])
  })

  test('a table reads back what was written', () => {
    const cell = fc.string({ maxLength: 8 }).map((s) => s.trim().replace(/\r/g, ''))
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        const quoted = (s: string): string => `"${s.replace(/"/g, '""')}"`
        const text = ['"a","b"', ...rows.map((r) => r.map(quoted).join(','))].join('\n')
        const parsed = parseCsv(text)
        expect(E.isRight(parsed) && Array.from(parsed.right.lines, (_, r) => parsed.right.columns.map((c) => c[r]))).toEqual(rows)
      }),
    )
  })
})
