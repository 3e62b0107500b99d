import { dirname, join } from 'node:path';
import type { CloudState } from './state-file.js';

/** Folder of what `az` keeps of a local cloud: beside its CA, so that the user's own sign-in to Azure stays as it is. */
export function azFolder(ca: string): string {
  return join(dirname(ca), 'az');
}

/**
 * The commands that point Azure's CLI to a running local cloud and sign in there, for a POSIX shell. They hold the secret of the sign-in. May be run
 * again. Tried with azure-cli 2.45.
 */
export function azCommands({ arm: { endpoint, tenant, clientId, clientSecret }, ca }: CloudState): string[] {
  const endpoints = [
    `--endpoint-resource-manager ${endpoint}`,
    `--endpoint-active-directory ${endpoint}/adfs`,
    `--endpoint-active-directory-resource-id ${endpoint}`,
    `--endpoint-active-directory-graph-resource-id ${endpoint}`,
    `--endpoint-management ${endpoint}`,
  ];
  return [
    `export AZURE_CONFIG_DIR=${quoted(azFolder(ca))}`,
    `export REQUESTS_CA_BUNDLE=${quoted(ca)}`,
    'export AZURE_CORE_COLLECT_TELEMETRY=no',
    `az cloud show --name zerotouch --output none 2>/dev/null || az cloud register --name zerotouch ${endpoints.join(' ')}`,
    'az cloud set --name zerotouch',
    `az login --service-principal --username ${clientId} --password ${clientSecret} --tenant ${tenant} --output table`,
  ];
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
