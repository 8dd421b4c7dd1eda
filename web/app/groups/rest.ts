/** All but the board: compose, launches and runs with their history, lists, schedules, servers, the first steps, the way in, accounts, and what admins look after. */
export { Run } from '../screens/run';
export { Palette } from '../parts/palette';
export { Files } from '../screens/files';
export { Launches, Runs } from '../screens/history';
export { Launch } from '../screens/launch';
export { FirstSteps } from '../parts/firststeps';
export { default as Compose } from '../screens/compose';
export { Lists, ListScreen } from '../screens/lists';
export { Schedules, ScheduleScreen } from '../screens/schedules';
export { Servers, ServerScreen } from '../screens/servers';
export { Users, UserScreen } from '../screens/users';
export { Account } from '../screens/account';
export { Admin } from '../screens/admin';
export { Audit } from '../screens/audit';
export { Forgot, SessionOver, SignIn, SignUp, Waiting, Welcome } from '../screens/gate';
export { Cost, HookScreen, Retention } from '../screens/upkeep';
