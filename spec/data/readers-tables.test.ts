import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as O from 'fp-ts/lib/Option.js'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openData } from '../../data/readers/index.ts'
import type { OpenOptions } from '../../data/readers/reader.ts'
import { left, right } from './either.ts'
import { itemsOf } from './readers-reference.ts'

let dir = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dinograph-tables-'))
  const picture = await sharp({ create: { width: 6, height: 5, channels: 3, background: { r: 200, g: 30, b: 90 } } })
    .png()
    .toBuffer()
  for (const p of ['set/train/p1', 'set/deep']) await mkdir(join(dir, p), { recursive: true })
  for (const p of ['0.png', '1.png', '2.png', '3.png', 'cafe\u0301.png', 'train/p1/view.png', 'deep/far.png', 'train a.jpg'])
    await writeFile(join(dir, 'set', p), picture)
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

const read = async (name: string, content: string | Uint8Array, o: OpenOptions = {}) => {
  const path = join(dir, 'set', name)
  await writeFile(path, content)
  const { splits, notes, skipped } = right(await openData(path, o)())
  const [d] = splits.values()
  return {
    d,
    splits,
    skipped,
    said: notes.join('\n'),
    classes: d.classes,
    labels: Array.from({ length: d.length }, (_, i) => O.toUndefined(d.label(i))),
    sources: Array.from({ length: d.length }, (_, i) => d.sourceOf?.(i)),
  }
}

const csv = (head: string, ...rows: ReadonlyArray<string>): string => [head, ...rows].join('\n')
const jsonl = (...rows: ReadonlyArray<object>): string => rows.map((r) => JSON.stringify(r)).join('\n')

describe('columns by their names, in any format', () => {
  test.each([
    'path',
    'file_name',
    'file_path',
    'img',
    'img_path',
    'image_name',
    'Image Index',
    'image_id',
    'dicom_id',
    'fname',
    'name',
    'url',
    'filepaths',
    'File Name',
    'ImageID',
    'my own words',
  ])('%s', async (name) => {
    for (const r of [
      await read('a.csv', csv(`${name},label`, '0.png,1', '1.png,0')),
      await read('a.jsonl', jsonl({ [name]: '0.png', Label: 1 }, { [name]: '1.png', Label: 0 })),
      await read(
        'a.json',
        JSON.stringify([
          { [name]: '0.png', label: 1 },
          { [name]: '1.png', label: 0 },
        ]),
      ),
    ]) {
      expect([r.sources, r.labels, r.classes]).toEqual([
        ['0.png', '1.png'],
        [1, 0],
        ['0', '1'],
      ])
      expect(r.said).toContain(`path is ${JSON.stringify(name)}; label is `)
    }
  })

  test('of two columns the one whose files are there; which is which is said, and can be chosen', async () => {
    for (const head of ['image,path,label', 'path,image,label']) {
      const rows = head.startsWith('image') ? ['x,0.png,1', 'y,1.png,0'] : ['0.png,x,1', '1.png,y,0']
      expect((await read('b.csv', csv(head, ...rows))).sources).toEqual(['0.png', '1.png'])
    }
    const two = csv('path,label,class', '0.png,1,cat', '1.png,0,dog')
    const r = await read('c.csv', two)
    expect([r.labels, r.said.includes('label is "label", 2 classes; not used: class')]).toEqual([[1, 0], true])
    expect((await read('c.csv', two, { columns: { label: 'class' } })).classes).toEqual(['cat', 'dog'])
    expect((await read('c.csv', two, { columns: { label: 'none' } })).classes).toEqual([])
    expect(left(await openData(join(dir, 'set/c.csv'), { columns: { path: 'paths' } })())).toMatchObject({
      found: 'no column paths among the columns path, label, class',
    })
    const index = await read('d.csv', csv(',path,label', '0,0.png,1', '1,1.png,0'))
    expect([index.sources, index.labels]).toEqual([
      ['0.png', '1.png'],
      [1, 0],
    ])
  })

  test('patients, folds that are no splits, and splits', async () => {
    const nih = await read(
      'nih.csv',
      csv('Image Index,Finding Labels,Follow-up #,Patient ID', '0.png,Cardiomegaly|Emphysema,0,1', '1.png,No Finding,1,1'),
    )
    expect([nih.d.group?.(0), nih.d.group?.(1), nih.classes]).toEqual(['1', '1', ['Cardiomegaly', 'Emphysema', 'No Finding']])
    expect((await itemsOf(nih.d)).map((i) => i.labels)).toEqual([
      [1, 1, 0],
      [0, 0, 1],
    ])
    expect(nih.said).toContain('with | between')
    const folds = await read('fold.csv', csv('path,label,split', '0.png,1,0', '1.png,0,1'))
    expect([[...folds.splits.keys()], folds.said.includes('the column split names no split')]).toEqual([['all'], true])
    expect([...(await read('s.csv', csv('path,Set', '0.png,TRAIN', '1.png,valid'))).splits.keys()]).toEqual(['train', 'val'])
  })
})

describe('no label, one, or several', () => {
  test.each(['-1', 'NaN', 'nan', 'NA', 'null', '', 'N/A', '-1.0'])('"%s" is no label and makes no class', async (none) => {
    const r = await read('n.csv', csv('path,label', `0.png,${none}`, '1.png,10', '2.png,2'))
    expect([r.labels, r.classes.length]).toEqual([[undefined, 10, 2], 11])
    expect(r.said).toContain('1 of 3 rows have no label')
  })

  test('and so in records, as Python writes them too', async () => {
    for (const none of ['-1', 'null', 'NaN', '""', '-1.0']) {
      const r = await read('n.jsonl', `{"path": "0.png", "label": ${none}}\n{"path": "1.png", "label": 1.0}\n{"path": "2.png", "label": 0}`)
      expect([r.labels, r.classes]).toEqual([
        [undefined, 1, 0],
        ['0', '1'],
      ])
    }
    expect((await read('m.jsonl', '{"path": "0.png", "label": NaN}\n{"path": "1.png"}')).classes).toEqual([])
  })

  test('255 beyond all others is no label, unless it is said to be one', async () => {
    const text = csv('path,label', '0.png,255', '1.png,1', '2.png,0')
    expect((await read('f.csv', text)).labels).toEqual([undefined, 1, 0])
    expect((await read('f.csv', text)).said).toContain('--set data.unlabelled=-1')
    expect((await read('f.csv', text, { unlabelled: ['-1'] })).labels).toEqual([255, 1, 0])
    expect((await read('g.csv', csv('path,label', '0.png,255', '1.png,200'))).labels).toEqual([255, 200])
    expect((await read('h.csv', csv('path,label', '0.png,unknown', '1.png,a', '2.png,b'), { unlabelled: ['Unknown'] })).labels).toEqual([
      undefined,
      0,
      1,
    ])
  })

  test('numbers are classes by their number where they are few, in their order where not', async () => {
    expect((await read('o.csv', csv('path,label', '0.png,10', '1.png,2', '2.png,1.0'))).labels).toEqual([10, 2, 1])
    const far = await read('p.csv', csv('path,label', '0.png,999999999', '1.png,7', '2.png,30'))
    expect([far.classes, far.labels]).toEqual([
      ['7', '30', '999999999'],
      [2, 0, 1],
    ])
    expect((await read('q.csv', csv('path,grade', '0.png,0.5', '1.png,-3', '2.png,10'))).classes).toEqual(['-3', '0.5', '10'])
  })

  test('one column for each class', async () => {
    const chexpert = await read(
      'chex.csv',
      csv('Path,Sex,Age,No Finding,Edema', '0.png,Female,68,1.0,', '1.png,Male,87,,-1.0', '2.png,Male,3,0.0,1.0'),
    )
    expect([chexpert.classes, (await itemsOf(chexpert.d)).map((i) => i.labels), chexpert.labels]).toEqual([
      ['No Finding', 'Edema'],
      [
        [1, 0],
        [0, 0],
        [0, 1],
      ],
      [undefined, undefined, undefined],
    ])
    expect(chexpert.said).toContain('3 labels that are blank or below 0 count as 0')
    const isic = await read('isic.csv', csv('image,MEL,NV', '0,1.0,0.0', '1,0.0,1.0'))
    expect([isic.classes, isic.labels, isic.sources]).toEqual([
      ['MEL', 'NV'],
      [0, 1],
      ['0.png', '1.png'],
    ])
    const vectors = await read(
      'v.jsonl',
      jsonl({ path: '0.png', labels: [1, -1, 0] }, { path: '1.png', labels: [1, null, 0] }, { path: '2.png' }),
    )
    expect((await itemsOf(vectors.d)).map((i) => i.labels)).toEqual([[1, 0, 0], [1, 0, 0], undefined])
    expect((await itemsOf((await read('w.csv', csv('path,labels', '0.png,a;b', '1.png,b'))).d)).map((i) => i.labels)).toEqual([
      [1, 1],
      [0, 1],
    ])
  })

  test('COCO', async () => {
    const r = await read(
      'coco.json',
      JSON.stringify({
        images: [
          { id: 5, file_name: '0.png' },
          { id: 6, file_name: '1.png' },
        ],
        categories: [
          { id: 1, name: 'cat' },
          { id: 2, name: 'dog' },
        ],
        annotations: [
          { image_id: 5, bbox: [0, 1, 2, 3], category_id: 1 },
          { image_id: 5, bbox: [1, 1, 2, 2], category_id: 2 },
          { image_id: 6, bbox: [0, 0, 1, 1], category_id: 2 },
        ],
      }),
    )
    const [first, second] = await itemsOf(r.d)
    expect([first.boxes, first.labels, second.labels, r.classes]).toEqual([
      [
        { x: 0, y: 1, width: 2, height: 3 },
        { x: 1, y: 1, width: 2, height: 2 },
      ],
      [1, 1],
      [0, 1],
      ['cat', 'dog'],
    ])
  })
})

describe('paths as people write them', () => {
  test.each([
    ['with backslashes', 'train\\p1\\view.png', 'train/p1/view.png', 'with / for'],
    ['from the folder above', 'set/train/p1/view.png', 'train/p1/view.png', 'without the folders'],
    ['from another machine', '/home/me/set/0.png', '0.png', 'without the folders'],
    ['without an ending', 'train/p1/view', 'train/p1/view.png', 'with its ending'],
    ['a name alone', 'far.png', 'deep/far.png', 'by its name'],
    ['an id alone', 'far', 'deep/far.png', 'by its name'],
    ['composed', 'caf\u00e9.png', 'cafe\u0301.png', undefined],
  ])('%s', async (_, path, source, said) => {
    const r = await read('paths.csv', csv('path,label', `${path},1`))
    expect(r.sources).toEqual([source])
    expect(right(await r.d.item(0)()).image.width).toBe(6)
    if (said !== undefined) expect(r.said).toContain(said)
  })

  test('Latin-1 and UTF-16, semicolons, blanks', async () => {
    const latin = await read('l.csv', Buffer.from('path;label\ncaf\u00e9.png;1\n0.png;0\n', 'latin1'))
    expect([latin.sources, latin.said.includes('Latin-1')]).toEqual([['cafe\u0301.png', '0.png'], true])
    expect((await read('u.csv', Buffer.from('\uFEFFpath,label\r\n 0.png , 1\r\n', 'utf16le'))).sources).toEqual(['0.png'])
  })

  test('what is not there is counted before anything is read, and left out where that is asked for', async () => {
    const gone = csv('path,label', '0.png,1', 'gone.png,0')
    const r = await read('gone.csv', gone, { onError: 'skip' })
    expect(r.said).toContain('1 of 2 paths lead to no file: gone.png (--set data.onError=skip leaves them out)')
    expect([r.sources, r.labels, r.skipped.map((f) => f.place)]).toEqual([['0.png'], [1], [join(dir, 'set/gone.png')]])
    const stopped = left(await openData(join(dir, 'set/gone.csv'))())
    expect([stopped.place, stopped.found]).toEqual([
      join(dir, 'set/gone.png'),
      `no such file, which ${join(dir, 'set/gone.csv')}: line 3 names`,
    ])
    const web = await read('web.csv', csv('path', '0.png', 'https://example.org/a.png'), { onError: 'skip' })
    expect([web.said.includes('web addresses'), web.skipped[0].remedy]).toEqual([true, 'download the file, and name where it lies'])
  })

  test('numbers that happen to be names of files are no paths where another column has paths', async () => {
    await writeFile(join(dir, 'set/web.csv'), csv('path,label', 'https://example.org/a.png,1', 'https://example.org/b.png,0'))
    const f = left(await openData(join(dir, 'set/web.csv'), { onError: 'skip' })())
    expect(f.found).toContain('2 of 2 paths are web addresses, which have to be downloaded first')
    await writeFile(join(dir, 'set/moved.csv'), csv('id,file,label', '0,elsewhere/a.png,1', '1,elsewhere/b.png,0'))
    expect(left(await openData(join(dir, 'set/moved.csv'))()).place).toBe(join(dir, 'set/elsewhere/a.png'))
  })

  test("a row may name a folder: all of its files are read, with the row's label", async () => {
    const r = await read('folders.csv', csv('scan,label', 'train/p1,1', 'deep,0', '3.png,1'), { columns: { path: 'scan' } })
    expect([r.sources, r.labels]).toEqual([
      ['train/p1/view.png', 'deep/far.png', '3.png'],
      [1, 0, 1],
    ])
    expect(r.said).toContain('2 paths found as a folder, of which all files are read: train/p1, deep')
  })

  test('masks are found as images are', async () => {
    const r = await read('masks.csv', csv('path,mask', '0.png,train\\p1\\view.png'))
    expect(right(await r.d.item(0)()).mask?.length).toBe(30)
    expect(r.said).toContain('masks: 1 path found with / for')
    await writeFile(join(dir, 'set/lost.csv'), csv('path,mask', '0.png,none.png'))
    expect(left(await openData(join(dir, 'set/lost.csv'))()).place).toBe(join(dir, 'set/none.png'))
  })

  test('rows without a group belong to their file alone', async () => {
    const r = await read('g.csv', csv('path,patient', '0.png,', '1.png,a', '2.png,a', '3.png,b'))
    expect([0, 1, 2, 3].map((i) => r.d.group?.(i))).toEqual(['0.png', 'a', 'a', 'b'])
  })

  test('sides of boxes are no labels, a column called y alone is one', async () => {
    const boxes = await read('boxes.csv', csv('path,x,y,width,height', '0.png,1,1,2,2', '1.png,0,2,3,3'))
    expect([boxes.classes, right(await boxes.d.item(1)()).box]).toEqual([[], { x: 0, y: 2, width: 3, height: 3 }])
    expect((await read('y.csv', csv('path,y', '0.png,1', '1.png,0'))).labels).toEqual([1, 0])
  })
})
