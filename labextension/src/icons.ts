/**
 * The icons of the extension, drawn in JupyterLab's own colours.
 */
import { LabIcon } from '@jupyterlab/ui-components';

/** A Cherenkov telescope: dish, camera, mount. */
export const telescopeIcon = new LabIcon({
  name: 'jupyter-uws:telescope',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round">
    <path class="jp-icon3" stroke="#616161" d="M4.5 5.5c0 6 4.5 10.5 10.5 10.5z"/>
    <path class="jp-icon3" stroke="#616161" d="M9.8 10.8 17 4.5M9.5 14.5 7.5 21M12.5 15.8 15 21M5 21h13"/>
  </g>
</svg>`
});

/** Three jobs, each with its progress. */
export const jobsIcon = new LabIcon({
  name: 'jupyter-uws:jobs',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" width="16">
  <g class="jp-icon3" fill="#616161">
    <path class="jp-icon3" fill="#616161" d="M3 4h18v4H3zm2 1.5v1h9v-1z" fill-rule="evenodd"/>
    <path class="jp-icon3" fill="#616161" d="M3 10h18v4H3zm2 1.5v1h14v-1z" fill-rule="evenodd"/>
    <path class="jp-icon3" fill="#616161" d="M3 16h18v4H3zm2 1.5v1h4v-1z" fill-rule="evenodd"/>
  </g>
</svg>`
});
