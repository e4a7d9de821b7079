/**
 * The widgets about jobs: the list, a job, the form of a new one, a result.
 */
import { widget } from './frame';
import { jobsPage } from './pages';

export default widget(jobsPage);
