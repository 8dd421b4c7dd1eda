/** What happened: launches, runs, their history. */
export { Launch } from '../screens/launch';
export { Run } from '../screens/run';
