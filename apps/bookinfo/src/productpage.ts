// The page that a visitor sees, and the JSON API beside it.
import { createProductPage } from './productpage/product-page.ts';
import { runService } from './shared/server.ts';

runService('productpage', createProductPage);
