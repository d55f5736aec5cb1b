// Refuses to run on a Node that is too old, before anything else fails in a way that explains less.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `error: Weft needs Node 20.19 or newer; this is ${process.version}\n` +
      '  fix:   install a current Node from https://nodejs.org, or run: nvm install --lts\n',
  );
  process.exit(1);
}
