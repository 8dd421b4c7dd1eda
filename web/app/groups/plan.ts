/** What shall happen: compose, lists, schedules, and the first steps to them. */
export { FirstSteps } from '../parts/firststeps';
export { default as Compose } from '../screens/compose';
export { Lists, ListScreen } from '../screens/lists';
export { Schedules, ScheduleScreen } from '../screens/schedules';
