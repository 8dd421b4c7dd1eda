/** All but what happened: compose, lists, schedules, servers, the first steps to them, the way in, accounts, and what admins look after.
 *  In the order that compresses best: what is like each other stands together. */
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
