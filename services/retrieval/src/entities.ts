import { Collection } from './collection/collection.entity.ts';
import { CollectionStatistics } from './collection/collection-statistics.entity.ts';
import { Duplicate } from './duplicate/duplicate.entity.ts';
import { Gallery, GalleryMatch, GalleryWatch } from './gallery/gallery.entity.ts';
import { Item, ItemImage, ItemTombstone, ItemVector, PictureFile } from './item/item.entity.ts';

/** Tables that the service reads and writes through TypeORM; those of messaging belong to libs/messaging. */
export const entities = [Collection, CollectionStatistics, Duplicate, Gallery, GalleryMatch, GalleryWatch, Item, ItemVector, ItemImage, ItemTombstone, PictureFile];
