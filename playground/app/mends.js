// What is wrong with GraphiQL and its explorer, mended in their text as it is bundled: a request to another host, what axe
// finds, and a column of plugins so wide that a UUID does not fit into a line of the result. A text that is not found
// stops the build: then the package has changed, and the mend is perhaps not needed.
const mends = [
  {
    // Pointing at the address of a picture in a result loads the picture, from whatever host that is.
    file: '/@graphiql/react/dist/components/image-preview.js',
    replace: [['return url ? /', 'return url?.origin === location.origin ? /']],
  },
  {
    // A tab may not contain buttons, and these contain two: they are a list, one item of which is current.
    file: '/@graphiql/react/dist/components/tabs/index.js',
    replace: [
      ['"aria-selected": isActive,', '"aria-current": isActive,'],
      ['role: "tab",', ''],
      ['role: "tablist",', ''],
    ],
  },
  {
    // Comments and line numbers in the dark: contrast 3.6 and 3.9, where 4.5 is asked for.
    file: '/@graphiql/react/dist/constants.js',
    replace: [
      [
        'colors: getBaseColors("dark"),\n\t\trules: [{',
        'colors: { ...getBaseColors("dark"), "editorLineNumber.foreground": "#9a9fa8" },\n\t\trules: [{ token: "comment", foreground: "#8bb573" }, {',
      ],
    ],
  },
  {
    file: '/graphiql/dist/GraphiQL.js',
    replace: [
      ['defaultSizeRelation: 0.3333333333333333', 'defaultSizeRelation: 0.24'],
      ['storageKey: "editorFlex"', 'defaultSizeRelation: 0.88, storageKey: "editorFlex"'],
    ],
  },
  {
    file: '/graphiql-explorer/dist/Explorer.js',
    replace: [["'select',\n            {\n", "'select',\n            { 'aria-label': 'Type of the new operation',\n"]],
  },
];

/** A Vite plugin. */
export function mendPackages() {
  const open = new Set(mends);
  return {
    name: 'mends',
    transform(code, id) {
      const mend = mends.find(({ file }) => id.endsWith(file));
      if (!mend) {
        return null;
      }
      for (const [from, to] of mend.replace) {
        if (!code.includes(from)) {
          this.error(`${mend.file} no longer contains ${from}`);
        }
        code = code.replace(from, to);
      }
      open.delete(mend);
      return { code, map: null };
    },
    buildEnd() {
      for (const { file } of open) {
        this.error(`${file} is not part of the bundle`);
      }
    },
  };
}
