import type { NameEntry } from '@weft/capture/dns';
import type { NameTable } from '@weft/contracts/lean/istio/networking/nds/v1/nds';

/** Names of this registry may be shortened; those of others are whole. */
const SHORTENED = 'Kubernetes';

export const entriesOf = ({ table }: NameTable): readonly NameEntry[] =>
  Object.entries(table).map(([host, { ips, registry, shortname, namespace }]) => ({
    host,
    ips,
    ...(registry === SHORTENED ? { shortName: shortname, namespace } : {}),
  }));
