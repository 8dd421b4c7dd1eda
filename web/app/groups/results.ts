/** What happened: launches, runs, their history. */
export { Launches, Runs } from '../screens/history';
export { Launch } from '../screens/launch';
export { Run } from '../screens/run';
