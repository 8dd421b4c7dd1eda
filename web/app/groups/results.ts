/** What happened: launches, runs, their history. */
export { Run } from '../screens/run';
export { Palette } from '../parts/palette';
export { Files } from '../screens/files';
export { Launches, Runs } from '../screens/history';
export { Launch } from '../screens/launch';
