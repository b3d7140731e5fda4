/** A round more of each row, which is profiled and not counted: `--cpu-prof directory`. */

/** @returns what `inRounds` calls with the stands and what it measures. */
export function profiler(scenario, directory, intervalMicros) {
  return async (stands, measure) => {
    for (const stand of stands) {
      await stand.server.call('profileStart', { intervalMicros });
      await measure(stand);
      const label = `${scenario}-${stand.row.id.replaceAll(/\W+/g, '-')}`;
      console.log(`profile: ${await stand.server.call('profileStop', { directory, label })}`);
    }
  };
}
