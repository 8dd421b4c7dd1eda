/** What shall happen, and on what: compose, lists, schedules, servers, and the first steps to them. */
export { FirstSteps } from '../parts/firststeps';
export { default as Compose } from '../screens/compose';
export { Lists, ListScreen } from '../screens/lists';
export { Schedules, ScheduleScreen } from '../screens/schedules';
export { Servers, ServerScreen } from '../screens/servers';
