/**
 * What the folders of a data set are: parts of it (train, val, test), classes, or a wrapper around all. Names tell, and what lies beside
 * parts belongs to none of them.
 */
import type { SplitName } from './dataset.ts'
import { isPatient } from './groups.ts'
import { counted, note, showFiles } from './note.ts'
import { splitOf } from './split.ts'
import { byText, classesOf, folderOf, grouped } from './walk.ts'
import type { Left } from './walk.ts'

export interface Folder {
  readonly split: SplitName
  /** Below the root of all, '' for the root itself. */
  readonly folder: string
  /** Below `folder`; their first folders are classes, where these are of `classes`. */
  readonly paths: ReadonlyArray<string>
}

export interface Folders {
  readonly parts: ReadonlyArray<Folder>
  readonly classes: ReadonlyArray<string>
  readonly left: ReadonlyArray<Left>
  readonly notes: ReadonlyArray<string>
  /** What concerns classes alone, for readers that have any. */
  readonly labelNotes: ReadonlyArray<string>
}

/** `imagesTr`, `training_set`, `val2017`, `seg_test`: what people call parts. */
const around =
  /^(?:images?|imgs?|seg|data|dataset|stage\d)?[-_ ]?(train|training|tr|valid|validation|val|vl|dev|test|testing|ts)[-_ ]?(?:set|data|images?|imgs?|\d{1,4})?$/i

/** The part that a folder's name means. */
export const partOf = (name: string): SplitName | undefined => {
  const exact = splitOf(name)
  if (exact !== undefined) return exact
  const word = around.exec(name)?.[1].toLowerCase()
  if (word === undefined || name.length === word.length) return undefined
  return word === 'tr' ? 'train' : word === 'ts' ? 'test' : word === 'vl' ? 'val' : splitOf(word)
}

/** Folders whose images have no class. */
const unlabelled = /^un-?labell?ed$/i

/** What holds the images of a part that has no classes. */
const holder = /^(images?|imgs?|pictures?|photos?|pics|data|all|unknown)$/i

/** Parts for cross-validation or for download, which are no classes. */
const fold = /^(fold|split|cv|part|batch|chunk|shard|subset|archive|images?|imgs?)[-_ ]?\d+$/i

/** Words that part the files of patients or of a study, and name no class. */
const sorting =
  /^(ct|mri?|pe?t|us|cr|dx|xa|nm|t1\w*|t2\w*|flair|dwi|adc|dicom|dcm|nifti|series|study|studies|scans?|slices?|volumes?|raw|axial|coronal|sagittal)$/i

/**
 * Whether folders of scans are called as classes are: scans lie in folders of patients, studies and series, whose names are numbers and
 * identifiers, more often than in classes.
 */
export const areClasses = (names: ReadonlyArray<string>): boolean =>
  names.length > 1 && names.every((n) => /\p{L}/u.test(n) && !/\d/.test(n) && !sorting.test(n) && !holder.test(n))

const within =
  (folder: string) =>
  (p: string): string =>
    p.slice(folder.length + 1)

/** The first folders of paths, '' for none, in their order. */
const firstsOf = (paths: ReadonlyArray<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  for (const p of paths) found.add(folderOf(p) ?? '')
  return found
}

/** The folder that all lies in, where there are several below it and it is no part by itself: what unpacking an archive leaves. */
const wrapperOf = (paths: ReadonlyArray<string>): string => {
  let [wrapper, rest] = ['', paths]
  for (;;) {
    const names = firstsOf(rest)
    const [name = ''] = names
    if (names.size > 1) return wrapper
    if (name === '') return ''
    if (partOf(name) !== undefined) return wrapper
    wrapper = wrapper === '' ? name : `${wrapper}/${name}`
    rest = rest.map(within(name))
  }
}

const order: ReadonlyArray<SplitName> = ['train', 'val', 'test', 'all']

/** Whether folders of these names are parts: two parts at least, or nothing but one. */
const areParts = (names: ReadonlyArray<string>): boolean => {
  const parts = new Set(names.map(partOf).filter((s) => s !== undefined))
  return parts.size >= 2 || (names.length === 1 && parts.has('train'))
}

const whole = (folder: string, paths: ReadonlyArray<string>, notes: ReadonlyArray<string> = []): Folders => {
  const classes = classesOf(paths)
  const named = classes.filter((c) => !unlabelled.test(c))
  const loose = named.length > 1 ? paths.filter((p) => folderOf(p) === undefined) : []
  return {
    parts: [{ split: 'all', folder, paths }],
    classes: named,
    left: [],
    notes,
    labelNotes: [
      ...(loose.length === 0
        ? []
        : [note(`${counted(loose.length, 'file')} beside the folders of classes ${loose.length === 1 ? 'has' : 'have'} no label`, loose)]),
      ...(named.length === classes.length ? [] : [note(`images in ${showFiles(classes.filter((c) => unlabelled.test(c)))} have no label`)]),
    ],
  }
}

/** Parts by a name that each path has; what has none lies beside them. `folderOfPart`: what all of a part lies in. */
const parted = (paths: ReadonlyArray<string>, nameOf: (p: string) => string, folderOfPart: (name: string) => string): Folders => {
  const names = grouped(paths, nameOf)
  const bySplit = new Map(order.map((s) => [s, [...names.keys()].filter((n) => partOf(n) === s)]))
  const beside = [...names].filter(([n]) => partOf(n) === undefined).flatMap(([, own]) => own)
  const several = [...bySplit.values()].some((own) => own.length > 1)
  const found = order.flatMap((split): ReadonlyArray<Folder> => {
    const own = bySplit.get(split) ?? []
    if (own.length === 0) return []
    const folder = several ? '' : folderOfPart(own[0])
    const all = own.flatMap((n) => names.get(n) ?? [])
    return [{ split, folder, paths: folder === '' ? [...all].sort(byText) : all.map(within(folder)) }]
  })
  // an archive unpacked into a folder of its name: seg_train/seg_train/…
  const parts = found.map((p): Folder => {
    const again = p.folder === '' ? undefined : folderOf(p.paths[0])
    return again === undefined || partOf(again) !== p.split || p.paths.some((x) => folderOf(x) !== again)
      ? p
      : { ...p, folder: `${p.folder}/${again}`, paths: p.paths.map(within(again)) }
  })
  // train/cat/…, train/dog/… and test/images/…: what the test has is no class
  const learned = new Set(classesOf(parts.filter((p) => p.split === 'train').flatMap((p) => p.paths)))
  const held = new Set(
    learned.size < 2
      ? []
      : parts.flatMap((p) => {
          const own = classesOf(p.paths)
          return own.length === 1 && !learned.has(own[0]) && holder.test(own[0]) ? own : []
        }),
  )
  const classes = several ? [] : classesOf(parts.flatMap((p) => p.paths)).filter((c) => !held.has(c))
  return {
    parts,
    classes: classes.filter((c) => !unlabelled.test(c)),
    left:
      beside.length === 0
        ? []
        : [
            {
              what: `beside ${parts.map((p) => p.split).join(', ')}`,
              setting: 'data.folders=classes takes all folders for classes',
              paths: beside,
            },
          ],
    notes: [],
    labelNotes: [
      ...[...held].map((c) => note(`the folder ${c} is no class of those that are trained on: its images have no label`)),
      ...(several
        ? [
            note(
              `several folders are one part, and their images have no classes`,
              [...names.keys()].filter((n) => partOf(n) !== undefined),
            ),
          ]
        : []),
    ],
  }
}

/** What the folders of these paths are. 'classes': the first ones are classes, whatever they are called; 'none': they mean nothing. */
export const foldersOf = (paths: ReadonlyArray<string>, choice: 'usual' | 'classes' | 'none' = 'usual'): Folders => {
  if (choice === 'classes') return whole('', paths)
  if (choice === 'none') return { ...whole('', paths), classes: [], labelNotes: [] }
  return withoutPatients(usualFolders(paths))
}

/** Folders of patients are no classes: what would be told apart by them are persons. */
const withoutPatients = (f: Folders): Folders =>
  f.classes.length === 0 || !f.classes.every(isPatient)
    ? f
    : {
        ...f,
        classes: [],
        labelNotes: [],
        notes: [
          ...f.notes,
          note(
            counted(f.classes.length, 'folder is a patient, and no class', 'folders are patients, and no classes'),
            f.classes,
            'data.folders=classes takes them for classes',
          ),
        ],
      }

/** The folders that lie in every one of the first folders, two of each at least; none where these differ. */
const alike = (paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const within = new Map<string, Set<string>>()
  for (const p of paths) {
    const [first, second, third] = p.split('/', 3)
    if (third === undefined) return []
    within.set(first, (within.get(first) ?? new Set()).add(second))
  }
  const [own = new Set<string>(), ...others] = within.values()
  return others.length > 0 && own.size > 1 && others.every((s) => s.size === own.size && [...s].every((f) => own.has(f)))
    ? [...own].sort(byText)
    : []
}

const usualFolders = (paths: ReadonlyArray<string>): Folders => {
  const wrapper = wrapperOf(paths)
  const inner = wrapper === '' ? paths : paths.map(within(wrapper))
  const put = (f: Folders): Folders =>
    wrapper === ''
      ? f
      : {
          ...f,
          parts: f.parts.map((p) => ({ ...p, folder: p.folder === '' ? wrapper : `${wrapper}/${p.folder}` })),
          left: f.left.map((l) => ({ ...l, paths: l.paths.map((p) => `${wrapper}/${p}`) })),
          notes: [...f.notes, note(`all lies in ${wrapper}/, whose folders are taken`, [], 'data.folders=classes takes the outer ones')],
        }
  const first = [...firstsOf(inner)]
  if (areParts(first))
    return put(
      parted(
        inner,
        (p) => folderOf(p) ?? '',
        (n) => n,
      ),
    )
  const second = (p: string): string => folderOf(within(folderOf(p) ?? '')(p)) ?? ''
  const parts = new Map<string, boolean>()
  const isPart = (name: string): boolean => {
    const known = parts.get(name) ?? partOf(name) !== undefined
    parts.set(name, known)
    return known
  }
  const deep = inner.filter((p) => isPart(second(p)))
  if (deep.length >= 0.9 * inner.length && areParts([...new Set(deep.map(second))]) && new Set(deep.map(second)).size > 1) {
    return put({ ...parted(inner, second, () => ''), classes: classesOf(deep) })
  }
  if (first.length > 1 && first.every((f) => fold.test(f))) {
    const folds = note(`${showFiles(first)} are parts of the data, and no classes`, [], 'data.folders=classes takes them for classes')
    return put({ ...whole('', inner, [folds]), classes: [], labelNotes: [] })
  }
  const below = alike(inner)
  if (below.length > 0 && first.every((f) => /^\d+$/.test(f))) {
    const persons = note(
      `${counted(first.length, 'folder')} of numbers that all have the same folders (${showFiles(below)}) are patients, and no classes`,
      first,
      'data.folders=classes takes them for classes; a table says what else is to be told apart',
    )
    return put({ ...whole('', inner, [persons]), classes: [], labelNotes: [] })
  }
  const train = first.filter((f) => f !== '' && partOf(f) !== undefined)
  return put(
    whole(
      '',
      inner,
      train.length === 0 || first.length === 1
        ? below.length === 0
          ? []
          : [
              note(
                `folders are taken for classes, though all of them have the same folders (${showFiles(below)})`,
                first,
                'data.folders=none reads them without labels; a table says what else is to be told apart',
              ),
            ]
        : [
            note(
              `the folder ${train[0]} is taken as a class, since there is no other part beside it`,
              [],
              `data.select=${wrapper === '' ? '' : `${wrapper}/`}${train[0]}/* reads it alone`,
            ),
          ],
    ),
  )
}
