/** Which column of a table is what: by its name, whatever its case and spaces, and of several by what they hold. */
import { labelText } from './labels.ts'
import type { Table } from './table.ts'

/** Names of columns that a person chose in place of what is guessed; '' for none. */
export interface ColumnNames {
  readonly path: string
  readonly label: string
  readonly split: string
  readonly group: string
}

export const noNames: ColumnNames = { path: '', label: '', split: '', group: '' }

/** A name without what people write differently. */
const plain = (name: string): string => name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, '')

/** Names of what a column holds, the surest first. */
const known: Readonly<Record<'path' | 'label' | 'split' | 'group' | 'box' | 'boxes' | 'mask' | 'frame' | 'labels', ReadonlyArray<string>>> =
  {
    path: [
      'path',
      'filepath',
      'imagepath',
      'imgpath',
      'picturepath',
      'file',
      'filename',
      'imagefile',
      'imgfile',
      'imagefilename',
      'image',
      'img',
      'imagename',
      'imgname',
      'imageindex',
      'imageid',
      'imgid',
      'dicomid',
      'dicomfile',
      'dicompath',
      'dicom',
      'picture',
      'photo',
      'slide',
      'scan',
      'volume',
      'fname',
      'files',
      'filepaths',
      'filenames',
      'images',
      'paths',
      'sopinstanceuid',
      'name',
      'id',
      'uid',
      'idcode',
      'url',
      'uri',
      'imageurl',
    ],
    label: [
      'label',
      'class',
      'target',
      'category',
      'classname',
      'labelname',
      'classid',
      'labelid',
      'cls',
      'gt',
      'groundtruth',
      'labelindex',
      'classindex',
      'level',
      'species',
      'disease',
      'y',
      'findinglabels',
      'findings',
      'finding',
      'diagnosis',
      'dx',
      'pathology',
      'grade',
      'tags',
    ],
    labels: ['labels', 'classes', 'targets', 'categories'],
    split: ['split', 'set', 'subset', 'partition', 'phase', 'fold'],
    group: [
      'group',
      'groupid',
      'patientid',
      'patient',
      'subjectid',
      'subject',
      'participantid',
      'participant',
      'personid',
      'caseid',
      'case',
      'lesionid',
      'individual',
      'studyid',
      'study',
      'studyinstanceuid',
      'seriesid',
      'series',
      'seriesinstanceuid',
      'volumeid',
    ],
    box: ['box', 'bbox', 'boundingbox'],
    boxes: ['boxes', 'bboxes', 'boundingboxes'],
    mask: ['mask', 'maskpath', 'segmentation', 'maskfile'],
    frame: ['frame', 'slice', 'framenumber'],
  }

export type Role = keyof typeof known

/** The numbers of the columns that may be this, the surest first. */
export const candidates = (t: Table, role: Role): ReadonlyArray<number> => {
  const names = t.names.map(plain)
  return known[role].flatMap((name) => {
    const at = names.indexOf(name)
    return at < 0 ? [] : [at]
  })
}

/** The column of this name, in any case. */
export const named = (t: Table, name: string): number | undefined => {
  const at = t.names.findIndex((n) => n === name)
  const like = at >= 0 ? at : t.names.findIndex((n) => plain(n) === plain(name))
  return like < 0 ? undefined : like
}

/** A cell of a column that says yes or no, as numbers do. */
export const markText = (u: unknown): string => {
  const text = labelText(u).toLowerCase()
  return text === 'true' ? '1' : text === 'false' ? '0' : text
}

const binary = new Set(['', '0', '1', '-1', 'nan'])

/** Columns of 0 and 1 (also -1 and blank), two at least, each a class: CheXpert's findings, ISIC's diagnoses. */
export const binaryColumns = (t: Table, taken: ReadonlySet<number>): ReadonlyArray<number> => {
  const all = t.names.flatMap((name, c) => {
    if (taken.has(c) || name === '') return []
    let said = false
    for (const v of t.columns[c]) {
      const text = markText(v)
      if (!binary.has(text)) return []
      said ||= text !== '' && text !== 'nan'
    }
    return said ? [c] : []
  })
  return all.length >= 2 ? all : []
}
