// Asks for names as applications do: {"names": […]} by the system's own resolver and its resolv.conf, or with
// {"server": IP, "type": "A"} of one name server. Prints name → sorted addresses, or the code of the failure.
import { promises } from 'node:dns';

const { names, server, type = 'A' } = JSON.parse(process.argv[2]);
const resolver = new promises.Resolver({ timeout: 8_000, tries: 1 });
if (server !== undefined) resolver.setServers([server]);
const ask = async (name) =>
  server === undefined
    ? (await promises.lookup(name, { all: true, family: 4 })).map(({ address }) => address)
    : resolver.resolve(name, type);

const found = {};
for (const name of names) {
  try {
    found[name] = (await ask(name)).sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    found[name] = error.code;
  }
}
console.log(JSON.stringify(found));
